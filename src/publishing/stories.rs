//! What a digest may tell: the posts since the readers' watermarks, and the alerts that came too late for somebody.
//! Which of them one reader gets is decided here, without asking anybody.

use std::collections::HashMap;

use super::Error;
use crate::domain::{decision::Subscription, subscription::Digest};
use crate::mail::compose::{self, Image};
use crate::store::{self, Tx, missed::TooLate, posts::Post};

/// What an alert leaves behind for a digest that carries it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Carried {
    pub title: String,
    pub summary: String,
    pub link: Option<String>,
}

/// The most stories that one digest holds: the newest. Mail clients clip a mail long before.
const MOST_STORIES: usize = 300;

/// What a digest tells, as it is rendered.
pub(super) struct Contents {
    /// At most 300, the newest first. A post has its own key, an alert that came too late its issue's, negated: the two
    /// never meet.
    pub stories: Vec<compose::Story>,
    /// How many older ones there would be.
    pub left_out: usize,
}

/// Everything that some active reader of this cadence gets, of the posts up to `last`.
pub(super) async fn contents(tx: &mut Tx, cadence: Digest, last: i64) -> Result<Contents, Error> {
    let mut keys = store::posts::for_digest(tx, cadence, last).await?;
    let mut late: HashMap<_, _> = store::missed::too_late_issues(tx, cadence)
        .await?
        .into_iter()
        .filter_map(|late| Some((-late.issue_id, of_alert(&late)?)))
        .collect();
    keys.extend(late.iter().filter_map(|(id, story)| Some((*id, story.published_at?))));
    keys.sort_by_key(|(id, at)| std::cmp::Reverse((*at, *id)));
    let left_out = keys.len().saturating_sub(MOST_STORIES);
    keys.truncate(MOST_STORIES);
    let ids: Vec<i64> = keys.iter().map(|(id, _)| *id).collect();
    let posts = store::posts::by_ids(tx, &ids).await?;
    let mut posts: HashMap<_, _> = posts.into_iter().map(|post| (post.id, of_post(post))).collect();
    let mut stories: Vec<_> =
        ids.iter().filter_map(|id| posts.remove(id).or_else(|| late.remove(id))).collect();
    let mut right = corrections(tx, &ids).await?;
    for story in &mut stories {
        if let Some(right) = right.remove(&story.id) {
            correct(story, right);
        }
    }
    Ok(Contents { stories, left_out })
}

/// What is right of the stories with these keys whose alert was corrected: as the newest correction has it.
async fn corrections(tx: &mut Tx, ids: &[i64]) -> Result<HashMap<i64, Carried>, Error> {
    let found = store::corrections::of_stories(tx, ids).await?;
    let mut right = HashMap::new();
    for (story, correction, content) in found {
        // What corrects a test about a post is a test as well, and the post itself is none.
        let of_test = story > 0 && store::issues::is_test(tx, correction).await?;
        if (!of_test || is_test_post(tx, story).await?)
            && let Ok(carried) = serde_json::from_str(&content)
        {
            right.insert(story, carried);
        }
    }
    Ok(right)
}

async fn is_test_post(tx: &mut Tx, id: i64) -> Result<bool, Error> {
    let tests = store::topics::tests(tx).await?;
    let topics = store::posts::topics_of(tx, &[id]).await?;
    Ok(topics.iter().any(|(_, topic)| tests.contains(topic)))
}

/// Who reads it in a digest never reads what was wrong. Its own picture may show just that.
fn correct(story: &mut compose::Story, right: Carried) {
    story.title = right.title;
    story.summary = right.summary;
    story.link = right.link.or(story.link.take());
    story.image = None;
    story.corrected = true;
}

/// A story's title where nothing stands beside it that marks it.
pub(super) fn marked(title: &str, corrected: bool) -> String {
    if corrected { format!("Corrected: {title}") } else { title.to_owned() }
}

fn of_post(post: Post) -> compose::Story {
    compose::Story {
        id: post.id,
        image: picture(&post),
        title: post.title,
        summary: if post.summary.is_empty() { post.html } else { post.summary },
        link: post.url,
        author: post.author,
        published_at: Some(post.published_at),
        corrected: false,
    }
}

fn of_alert(late: &TooLate) -> Option<compose::Story> {
    let carried: Carried = serde_json::from_str(&late.content).ok()?;
    Some(compose::Story {
        id: -late.issue_id,
        title: carried.title,
        summary: carried.summary,
        link: carried.link,
        author: None,
        published_at: Some(late.created_at),
        image: None,
        corrected: false,
    })
}

pub(super) fn picture(post: &Post) -> Option<Image> {
    post.image.clone().map(|url| Image { url, alt: String::new() })
}

/// One story of a digest, as the choice of a reader's stories needs it.
pub(super) struct Story {
    pub id: i64,
    pub title: String,
    pub source: Source,
    /// It is on a test topic: for test addresses alone.
    pub test: bool,
}

pub(super) enum Source {
    Post { topics: Vec<i64> },
    Alert { issue_id: i64, post_id: Option<i64> },
}

/// The stories with these keys, in this order.
pub(super) async fn load(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Story>, Error> {
    let mut topics: HashMap<i64, Vec<i64>> = HashMap::new();
    for (post, topic) in store::posts::topics_of(tx, ids).await? {
        topics.entry(post).or_default().push(topic);
    }
    let tests = store::topics::tests(tx).await?;
    let mut stories = HashMap::new();
    for (id, title) in store::posts::titles(tx, ids).await? {
        let topics = topics.remove(&id).unwrap_or_default();
        let test = topics.iter().any(|topic| tests.contains(topic));
        stories.insert(id, Story { id, title, source: Source::Post { topics }, test });
    }
    let alerts: Vec<i64> = ids.iter().filter(|id| **id < 0).map(|id| -id).collect();
    for late in store::issues::carried(tx, &alerts).await? {
        let title = of_alert(&late).map(|story| story.title).unwrap_or_default();
        let source = Source::Alert { issue_id: late.issue_id, post_id: late.post_id };
        let test = store::issues::is_test(tx, late.issue_id).await?;
        stories.insert(-late.issue_id, Story { id: -late.issue_id, title, source, test });
    }
    for (id, right) in corrections(tx, ids).await? {
        if let Some(story) = stories.get_mut(&id) {
            story.title = marked(&right.title, true);
        }
    }
    Ok(ids.iter().filter_map(|id| stories.remove(id)).collect())
}

/// The stories one reader gets: in full, and as a line for what was alerted. Alerts carried are counted apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub full: Vec<i64>,
    pub seen: Vec<i64>,
    /// Issues whose alert came too late for this reader, told here in full or by their post.
    pub carried: Vec<i64>,
}

impl Selection {
    /// Whether there is something to mail.
    pub(super) fn tells(&self) -> bool {
        !self.full.is_empty() || !self.seen.is_empty()
    }
}

/// What the reader with these subscriptions gets of `stories`, in their order. `alerted` are the posts that reader was
/// alerted to, `missed` the issues of alerts that came too late. Tests are for test addresses alone.
pub(super) fn select(
    stories: &[Story],
    cadence: Digest,
    subscriptions: &[Subscription],
    (alerted, missed): (&[i64], &[i64]),
    is_test_address: bool,
) -> Selection {
    let concerns = |story: &Story| match &story.source {
        Source::Post { topics } => subscriptions
            .iter()
            .any(|s| s.digest == cadence && story.id > s.digest_after && topics.contains(&s.topic)),
        Source::Alert { issue_id, .. } => missed.contains(issue_id),
    };
    let gets = |story: &Story| (!story.test || is_test_address) && concerns(story);
    let mut selection = Selection::default();
    for story in stories.iter().filter(|story| gets(story)) {
        match story.source {
            Source::Post { .. } if alerted.contains(&story.id) => selection.seen.push(story.id),
            Source::Post { .. } => selection.full.push(story.id),
            Source::Alert { issue_id, post_id } => {
                selection.carried.push(issue_id);
                let by_its_post =
                    |story: &Story| Some(story.id) == post_id && gets(story) && !alerted.contains(&story.id);
                if !stories.iter().any(by_its_post) {
                    selection.full.push(story.id);
                }
            }
        }
    }
    selection
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: i64, topics: &[i64]) -> Story {
        let source = Source::Post { topics: topics.to_vec() };
        Story { id, title: format!("Post {id}"), source, test: false }
    }

    fn late(issue_id: i64, post_id: Option<i64>) -> Story {
        let source = Source::Alert { issue_id, post_id };
        Story { id: -issue_id, title: "Late".to_owned(), source, test: false }
    }

    fn daily(topic: i64, digest_after: i64) -> Subscription {
        Subscription { topic, alerts: true, digest: Digest::Daily, digest_after }
    }

    #[test]
    fn a_reader_gets_what_is_new_on_each_topic_since_its_own_watermark() {
        let stories = [post(9, &[1]), post(8, &[2]), post(7, &[1, 2]), post(6, &[1])];
        let selection = select(&stories, Digest::Daily, &[daily(1, 6), daily(2, 7)], (&[], &[]), false);
        assert_eq!(selection.full, [9, 8, 7]);
        let weekly = select(&stories, Digest::Weekly, &[daily(1, 0)], (&[], &[]), false);
        assert_eq!(weekly, Selection::default());
    }

    #[test]
    fn what_was_alerted_is_a_line_and_what_came_too_late_is_told_in_full_once() {
        let stories = [post(9, &[1]), post(8, &[1]), late(3, None), late(4, Some(8))];
        let selection = select(&stories, Digest::Daily, &[daily(1, 0)], (&[9], &[3, 4]), false);
        assert_eq!(selection, Selection { full: vec![8, -3], seen: vec![9], carried: vec![3, 4] });
        let passed = select(&stories, Digest::Daily, &[daily(1, 9)], (&[9], &[4]), false);
        assert_eq!(passed, Selection { full: vec![-4], seen: vec![], carried: vec![4] });
    }

    #[test]
    fn a_test_is_told_to_test_addresses_alone() {
        let stories =
            [post(9, &[1]), Story { test: true, ..post(8, &[1]) }, Story { test: true, ..late(3, None) }];
        let select =
            |is_test_address| select(&stories, Digest::Daily, &[daily(1, 0)], (&[], &[3]), is_test_address);
        assert_eq!(select(false), Selection { full: vec![9], seen: vec![], carried: vec![] });
        assert_eq!(select(true), Selection { full: vec![9, 8, -3], seen: vec![], carried: vec![3] });
    }
}
