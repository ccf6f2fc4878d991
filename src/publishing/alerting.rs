//! Alerts: breaking news that somebody writes, and posts that a feed or a site wants sent at once. The issue is
//! committed first; its deliveries follow by the fan-out.

use uuid::Uuid;

use super::{Error, archive};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    draft,
    issue::{Level, State},
    text,
    time::Timestamp,
    topic::Slug,
};
use crate::mail::{
    compose::{Alert, Draft},
    html,
};
use crate::once::{self, Came, Once};
use crate::outbox;
use crate::store::{self, Tx, archive::Page, issues::NewIssue, posts::Post, topics::Topic};

/// Breaking news as it is asked for.
#[derive(Clone, Debug)]
pub struct AlertRequest {
    /// An alert, or a newsletter.
    pub kind: draft::Kind,
    /// None for the post's title.
    pub subject: Option<String>,
    /// What an inbox shows beside the subject; none for the beginning of the text.
    pub preheader: Option<String>,
    pub body: Body,
    /// The post that a text of its own is about, which is alerted by it.
    pub about: Option<Uuid>,
    pub link: Option<String>,
    /// At least one.
    pub topics: Vec<Slug>,
    pub level: Level,
    pub expires_at: Option<Timestamp>,
    /// Whether it stands in the public archive; none for where all of its topics do.
    pub public: Option<bool>,
}

#[derive(Clone, Debug)]
pub enum Body {
    Html(String),
    Markdown(String),
    Post(Uuid),
}

/// What became of the request: the first answer, also to a call that asks once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub id: Uuid,
    /// How many the one decision would have mailed at the call.
    pub audience: i64,
}

impl Published {
    /// As it was at the call.
    pub const STATE: State = State::Publishing;
}

/// The mail as it would be, and how many would get it.
pub struct Preview {
    pub audience: i64,
    pub draft: Draft,
}

/// A request made ready: the mail is composed and the names are resolved.
pub(super) struct Prepared {
    pub public_id: Uuid,
    pub draft: Draft,
    topic_ids: Vec<i64>,
    post_id: Option<i64>,
    content: String,
    page: Page,
    public: bool,
    /// The phrases in it that must not go out.
    pub phrases: Vec<String>,
}

impl Prepared {
    /// # Errors
    /// It says what must not go out.
    fn may_go(&self) -> Result<(), Error> {
        self.phrases.first().map_or(Ok(()), |phrase| Err(Error::Phrase(phrase.clone())))
    }
}

/// The mail and the audience, without sending.
///
/// # Errors
/// An unknown topic or post, a text that shows nothing or says what must not go out, a template that can't be rendered, a database that can't be read.
pub async fn preview(cx: &Context, request: &AlertRequest) -> Result<Preview, Error> {
    let mut tx = cx.db.read().await?;
    let prepared = prepare(cx, &mut tx, request).await?;
    prepared.may_go()?;
    let audience = audience(&mut tx, request.kind, &prepared.topic_ids, request.level).await?;
    Ok(Preview { audience, draft: prepared.draft })
}

/// Whether what the request names exists, and its text shows something.
///
/// # Errors
/// An unknown topic or post, a text that shows nothing, a database that can't be read.
pub async fn check(cx: &Context, request: &AlertRequest) -> Result<(), Error> {
    let mut tx = cx.db.read().await?;
    resolve(&mut tx, request).await.map(|_| ())
}

/// Publishes the alert. It is committed before its readers are counted, so the first mails leave meanwhile; from then on
/// every delivery of it will be made, whatever becomes of this call. With a key that was used already nothing is
/// published and none is returned.
///
/// # Errors
/// An unknown topic or post, a text that shows nothing or says what must not go out, a template that can't be rendered, a database that can't be
/// written; [`Error::Uncounted`] when it was published nevertheless.
pub async fn publish(
    cx: &Context,
    request: &AlertRequest,
    by: &Actor,
    once: Option<Once<'_>>,
) -> Result<Option<Published>, Error> {
    let mut tx = cx.db.read().await?;
    let prepared = prepare(cx, &mut tx, request).await?;
    prepared.may_go()?;
    drop(tx);
    let mut tx = cx.db.begin().await?;
    let issue_id = insert(cx, &mut tx, &prepared, request, &by.to_string(), State::Publishing).await?;
    let id = prepared.public_id.to_string();
    let change = Change::new(Act::AlertReleased, Thing::Issue, &id)
        .to(&serde_json::json!({ "subject": prepared.draft.subject, "level": request.level, "topics": request.topics }));
    audit::record(&mut tx, cx.clock.now(), by, change).await?;
    if !once::note(cx, &mut tx, once, Came::Issue(issue_id)).await? {
        return Ok(None);
    }
    tx.commit().await?;
    cx.bells.publish.notify_one();
    let id = prepared.public_id;
    tracing::info!(issue = %id, level = %request.level, "alert published");
    let published = published(cx, issue_id).await.map_err(|error| Error::Uncounted { id, error })?;
    tracing::info!(issue = %id, audience = published.audience, "its readers are counted");
    Ok(Some(published))
}

/// The answer to whoever published this issue. When their call ended before its readers were counted, they are now.
///
/// # Errors
/// A database that can't be read or written.
pub async fn published(cx: &Context, issue_id: i64) -> Result<Published, store::Error> {
    let mut tx = cx.db.read().await?;
    let issue = store::issues::expected(&mut tx, issue_id).await?;
    if let Some(audience) = issue.expected {
        return Ok(Published { id: issue.public_id, audience });
    }
    let topics = store::issues::topic_ids(&mut tx, issue_id).await?;
    let counted = audience(&mut tx, draft::Kind::Alert, &topics, issue.level).await?;
    drop(tx);
    let mut tx = cx.db.begin().await?;
    let audience = store::issues::expect(&mut tx, issue_id, counted).await?;
    tx.commit().await?;
    Ok(Published { id: issue.public_id, audience })
}

/// Mails the alert as it would be to one address, marked as a test. With a key that was used already nothing is mailed
/// and none is returned.
///
/// # Errors
/// As for [`publish`].
pub async fn send_test(
    cx: &Context,
    request: &AlertRequest,
    to: &str,
    once: Option<Once<'_>>,
) -> Result<Option<Uuid>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let (alert, ..) = resolve(&mut tx, request).await?;
    drop(tx);
    let public_id = cx.entropy.uuid(now);
    let draft = cx.composer.alert_test(public_id, &alert)?;
    let mut tx = cx.db.begin().await?;
    let envelope = outbox::Envelope {
        public_id,
        to,
        signup_id: None,
        created_by: "test",
        expires_at: now.plus(crate::domain::time::HOUR),
    };
    let issue_id = outbox::queue(cx, &mut tx, &draft, &envelope).await?;
    if !once::note(cx, &mut tx, once, Came::Issue(issue_id)).await? {
        return Ok(None);
    }
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    Ok(Some(public_id))
}

/// Publishes the alerts that new posts wait for. Returns how many. One that fails holds up no other: where it can't be
/// composed its post stays with the digest and the operator is told, and what the database refuses is tried again.
///
/// # Errors
/// A database that can't be read.
pub async fn alert_posts(cx: &Context) -> Result<usize, Error> {
    let mut tx = cx.db.read().await?;
    let waiting = store::posts::to_alert(&mut tx, 20).await?;
    drop(tx);
    let mut alerted = 0;
    for post in &waiting {
        let done = match alert_post(cx, post).await {
            Err(error) if !matches!(error, Error::Store(_)) => give_up(cx, post, &error).await,
            done => done,
        };
        match done {
            Ok(published) => alerted += usize::from(published),
            Err(error) => {
                tracing::error!(post = %post.public_id, %error, "the post can't be alerted; trying again");
            }
        }
    }
    Ok(alerted)
}

async fn alert_post(cx: &Context, post: &Post) -> Result<bool, Error> {
    let mut tx = cx.db.read().await?;
    let topics = store::posts::alert_topics(&mut tx, post.id).await?;
    let request = AlertRequest {
        kind: draft::Kind::Alert,
        subject: None,
        preheader: None,
        body: Body::Post(post.public_id),
        about: None,
        link: None,
        topics: topics.iter().filter_map(|slug| slug.parse().ok()).collect(),
        level: Level::All,
        expires_at: None,
        public: None,
    };
    let prepared = if request.topics.is_empty() { None } else { Some(prepare(cx, &mut tx, &request).await?) };
    prepared.as_ref().map_or(Ok(()), Prepared::may_go)?;
    drop(tx);
    let mut tx = cx.db.begin().await?;
    if !store::posts::mark_alerted(&mut tx, post.id, cx.clock.now()).await? {
        return Ok(false);
    }
    if let Some(prepared) = &prepared {
        insert(cx, &mut tx, prepared, &request, "feed", State::Publishing).await?;
    }
    tx.commit().await?;
    if let Some(prepared) = &prepared {
        tracing::info!(issue = %prepared.public_id, post = %post.public_id, "post alerted");
        cx.bells.publish.notify_one();
    }
    Ok(prepared.is_some())
}

async fn give_up(cx: &Context, post: &Post, error: &Error) -> Result<bool, Error> {
    let mut tx = cx.db.begin().await?;
    store::posts::give_up_alert(&mut tx, post.id).await?;
    let paragraphs = vec![
        format!(
            "\"{}\" ({}) can't be made into a mail: {error}. It goes into the digest only.",
            post.title, post.public_id
        ),
        "Once that is mended, alert it by hand: bellwether alert, or POST /api/v1/alerts with its post_id."
            .to_owned(),
    ];
    outbox::tell_operator(cx, &mut tx, "A post could not be alerted", paragraphs).await?;
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    Ok(false)
}

/// How many the one decision would mail now.
pub(super) async fn audience(
    tx: &mut Tx,
    kind: draft::Kind,
    topic_ids: &[i64],
    level: Level,
) -> Result<i64, store::Error> {
    match kind {
        draft::Kind::Alert => {
            store::subscribers::count_audience(tx, topic_ids, level == Level::Critical).await
        }
        draft::Kind::Broadcast => store::subscribers::count_newsletter_audience(tx, topic_ids).await,
    }
}

pub(super) async fn prepare(cx: &Context, tx: &mut Tx, request: &AlertRequest) -> Result<Prepared, Error> {
    let (alert, topics, post_id) = resolve(tx, request).await?;
    let public_id = cx.entropy.uuid(cx.clock.now());
    let draft = cx.composer.alert(public_id, &alert)?;
    let words = html::plain_text(&alert.html);
    let phrases = blocked(cx, &alert.subject, alert.preheader.as_deref(), &words);
    let content = super::stories::Carried {
        title: alert.subject.clone(),
        summary: text::multi_line(&words, 2_000),
        link: alert.link.clone(),
    };
    Ok(Prepared {
        phrases,
        public_id,
        draft,
        topic_ids: topics.iter().map(|topic| topic.id).collect(),
        post_id,
        content: serde_json::json!(content).to_string(),
        page: archive::article(&alert.subject, &alert.html, alert.link.as_deref()),
        public: request.public.unwrap_or_else(|| topics.iter().all(|topic| topic.public)),
    })
}

/// The phrases that must not go out and stand there.
pub(super) fn blocked(cx: &Context, subject: &str, preheader: Option<&str>, words: &str) -> Vec<String> {
    let texts = [subject, preheader.unwrap_or_default(), words];
    text::said(texts, &cx.config.newsroom.blocked_phrases).cloned().collect()
}

async fn resolve(tx: &mut Tx, request: &AlertRequest) -> Result<(Alert, Vec<Topic>, Option<i64>), Error> {
    let topics = named_topics(tx, &request.topics).await?;
    let post = match &request.body {
        Body::Post(id) => Some(store::posts::by_public_id(tx, *id).await?.ok_or(Error::UnknownPost(*id))?),
        Body::Html(_) | Body::Markdown(_) => None,
    };
    let title = post.as_ref().map(|post| post.title.clone());
    let alert = Alert {
        kind: request.kind,
        subject: request.subject.clone().or_else(|| title.clone()).unwrap_or_default(),
        level: request.level,
        topics: topics.iter().map(|topic| topic.name.clone()).collect(),
        title: title.unwrap_or_default(),
        html: match (&request.body, &post) {
            (_, Some(post)) => post_body(post),
            (Body::Html(given), None) => shown("html", html::sanitize(given))?,
            (Body::Markdown(given), None) => shown("markdown", html::markdown(given))?,
            (Body::Post(_), None) => String::new(),
        },
        link: request.link.clone().or_else(|| post.as_ref().and_then(|post| post.url.clone())),
        link_text: None,
        preheader: request.preheader.clone(),
        author: post.as_ref().and_then(|post| post.author.clone()),
        published_at: post.as_ref().map(|post| post.published_at),
        image: post.as_ref().and_then(super::stories::picture),
    };
    let about = match request.about {
        Some(id) => Some(store::posts::by_public_id(tx, id).await?.ok_or(Error::UnknownPost(id))?.id),
        None => post.map(|post| post.id),
    };
    Ok((alert, topics, about))
}

fn shown(field: &'static str, html: String) -> Result<String, Error> {
    if html::is_blank(&html) { Err(Error::Blank(field)) } else { Ok(html) }
}

/// Its summary, or its text where it has none.
fn post_body(post: &Post) -> String {
    if post.summary.is_empty() { post.html.clone() } else { html::paragraph(&post.summary) }
}

async fn named_topics(tx: &mut Tx, slugs: &[Slug]) -> Result<Vec<Topic>, Error> {
    let topics = store::topics::all(tx).await?;
    let mut named = Vec::new();
    for slug in slugs {
        let topic = topics.iter().find(|topic| topic.slug == slug.as_str());
        let topic = topic.ok_or_else(|| Error::UnknownTopic(slug.to_string()))?;
        if !named.contains(topic) {
            named.push(topic.clone());
        }
    }
    Ok(named)
}

/// Writes the issue down, to be published at once or held. Its post is alerted when it is published.
pub(super) async fn insert(
    cx: &Context,
    tx: &mut Tx,
    prepared: &Prepared,
    request: &AlertRequest,
    created_by: &str,
    state: State,
) -> Result<i64, Error> {
    let issue = NewIssue {
        state,
        level: request.level,
        post_id: prepared.post_id,
        content: &prepared.content,
        last_subscriber: store::subscribers::last_id(tx).await?,
        expires_at: request.expires_at,
        ..cx.new_issue(prepared.public_id, request.kind.issue(), &prepared.draft.subject, created_by)
    };
    let issue_id = store::issues::insert(tx, &issue).await?;
    for topic_id in &prepared.topic_ids {
        store::issues::add_topic(tx, issue_id, *topic_id).await?;
    }
    store::issues::add_mail(tx, issue_id, &prepared.draft.head, prepared.draft.pieces()).await?;
    archive::keep(cx, tx, issue_id, &prepared.page, prepared.public).await?;
    // A test tells its readers nothing: the post is alerted later, or stands in their digest.
    let test = store::issues::is_test(tx, issue_id).await?;
    if let Some(post_id) = prepared.post_id.filter(|_| state == State::Publishing && !test) {
        store::posts::mark_alerted(tx, post_id, issue.now).await?;
    }
    Ok(issue_id)
}
