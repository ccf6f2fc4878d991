//! What a digest may tell: the posts since the readers' watermarks, and the alerts that came too late for somebody.
//! Which of them one reader gets is decided here, without asking anybody.

use crate::domain::{decision::Subscription, subscription::Digest, time::Timestamp};
use crate::store::{self, Tx, deliveries::TooLate, posts::Post};

/// What an alert leaves behind for a digest that carries it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Carried {
    pub title: String,
    pub summary: String,
    pub link: Option<String>,
}

/// One story of a digest. A post has its own key, an alert that came too late its issue's, negated: the two never meet.
pub(super) struct Story {
    pub id: i64,
    pub title: String,
    pub at: Timestamp,
    pub source: Source,
}

pub(super) enum Source {
    Post { post: Box<Post>, topics: Vec<i64> },
    Alert { issue_id: i64, post_id: Option<i64>, carried: Carried },
}

/// The stories one reader gets: in full, and as a line for what was alerted. Alerts carried are counted apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub full: Vec<i64>,
    pub seen: Vec<i64>,
    /// Issues whose alert came too late for this reader, told here in full or by their post.
    pub carried: Vec<i64>,
}

/// Every story there may be for posts with `after < id <= last`, the newest first.
pub(super) async fn load(
    tx: &mut Tx,
    cadence: Digest,
    after: i64,
    last: i64,
) -> Result<Vec<Story>, store::Error> {
    let posts = store::posts::between(tx, after, last).await?;
    let topics = store::posts::topics_between(tx, after, last).await?;
    let late = store::deliveries::too_late_issues(tx, cadence).await?;
    let posts = posts.into_iter().map(|post| Story {
        id: post.id,
        title: post.title.clone(),
        at: post.published_at,
        source: Source::Post {
            topics: topics.iter().filter(|(id, _)| *id == post.id).map(|(_, topic)| *topic).collect(),
            post: Box::new(post),
        },
    });
    let mut stories: Vec<_> = posts.chain(late.into_iter().filter_map(of_alert)).collect();
    stories.sort_by_key(|story| std::cmp::Reverse((story.at, story.id)));
    Ok(stories)
}

fn of_alert(late: TooLate) -> Option<Story> {
    let carried: Carried = serde_json::from_str(&late.content).ok()?;
    Some(Story {
        id: -late.issue_id,
        title: carried.title.clone(),
        at: late.created_at,
        source: Source::Alert { issue_id: late.issue_id, post_id: late.post_id, carried },
    })
}

/// What the reader with these subscriptions gets of `stories`. `alerted` are the posts that reader was alerted to,
/// `missed` the issues of alerts that came too late.
pub(super) fn select(
    stories: &[Story],
    cadence: Digest,
    subscriptions: &[Subscription],
    alerted: &[i64],
    missed: &[i64],
) -> Selection {
    let mut selection = Selection::default();
    let gets = |post: i64, topics: &[i64]| {
        subscriptions
            .iter()
            .any(|s| s.digest == cadence && post > s.digest_after && topics.contains(&s.topic))
    };
    for story in stories {
        if let Source::Post { topics, .. } = &story.source
            && gets(story.id, topics)
        {
            let list = if alerted.contains(&story.id) { &mut selection.seen } else { &mut selection.full };
            list.push(story.id);
        }
    }
    for story in stories {
        if let Source::Alert { issue_id, post_id, .. } = &story.source
            && missed.contains(issue_id)
        {
            selection.carried.push(*issue_id);
            if !post_id.is_some_and(|post| selection.full.contains(&post)) {
                selection.full.push(story.id);
            }
        }
    }
    let place = |id: &i64| stories.iter().position(|story| story.id == *id);
    selection.full.sort_by_key(place);
    selection
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: i64, topics: &[i64]) -> Story {
        let at = Timestamp::from_micros(id);
        let post = Post {
            id,
            public_id: uuid::Uuid::from_u128(u128::from(id.unsigned_abs())),
            url: None,
            title: format!("Post {id}"),
            summary: String::new(),
            html: String::new(),
            author: None,
            image: None,
            published_at: at,
            first_seen_at: at,
            revision: 1,
            silent: false,
            alerted_at: None,
        };
        let source = Source::Post { post: Box::new(post), topics: topics.to_vec() };
        Story { id, title: format!("Post {id}"), at, source }
    }

    fn late(issue_id: i64, post_id: Option<i64>) -> Story {
        let carried = Carried { title: "Late".to_owned(), summary: String::new(), link: None };
        let at = Timestamp::from_micros(0);
        Story {
            id: -issue_id,
            title: "Late".to_owned(),
            at,
            source: Source::Alert { issue_id, post_id, carried },
        }
    }

    fn daily(topic: i64, digest_after: i64) -> Subscription {
        Subscription { topic, alerts: true, digest: Digest::Daily, digest_after }
    }

    #[test]
    fn a_reader_gets_what_is_new_on_each_topic_since_its_own_watermark() {
        let stories = [post(9, &[1]), post(8, &[2]), post(7, &[1, 2]), post(6, &[1])];
        let selection = select(&stories, Digest::Daily, &[daily(1, 6), daily(2, 7)], &[], &[]);
        assert_eq!(selection.full, [9, 8, 7]);
        let weekly = select(&stories, Digest::Weekly, &[daily(1, 0)], &[], &[]);
        assert_eq!(weekly, Selection::default());
    }

    #[test]
    fn what_was_alerted_is_a_line_and_what_came_too_late_is_told_in_full_once() {
        let stories = [post(9, &[1]), post(8, &[1]), late(3, None), late(4, Some(8))];
        let selection = select(&stories, Digest::Daily, &[daily(1, 0)], &[9], &[3, 4]);
        assert_eq!(selection, Selection { full: vec![8, -3], seen: vec![9], carried: vec![3, 4] });
        let passed = select(&stories, Digest::Daily, &[daily(1, 9)], &[9], &[4]);
        assert_eq!(passed, Selection { full: vec![-4], seen: vec![], carried: vec![4] });
    }
}
