//! What the newsroom does: alerts, pushed posts, cancelling, and looking at what became of them.

use std::time::Duration;

use bellwether::audit::Actor;
use bellwether::domain::{
    issue::Level,
    post::PostDraft,
    token::{Role, sha256},
};
use bellwether::ingesting::{self, Received};
use bellwether::once::Once;
use bellwether::publishing::{
    self, Cancelled,
    alerting::{AlertRequest, Body, Preview, Published},
    live,
};
use bellwether::store::{self, issues::Issue};
use uuid::Uuid;

use super::Stage;

/// An alert before it is sent.
pub struct Alert<'a> {
    stage: &'a Stage,
    request: AlertRequest,
}

impl Stage {
    /// Breaking news for the first topic.
    pub fn alert(&self, subject: &str) -> Alert<'_> {
        let request = AlertRequest {
            kind: bellwether::domain::draft::Kind::Alert,
            preheader: None,
            about: None,
            subject: Some(subject.to_owned()),
            body: Body::Html(format!("<p>{subject}: what we know.</p>")),
            link: Some("https://site.example.org/live/".to_owned()),
            topics: vec!["election-alerts".parse().unwrap()],
            level: Level::All,
            expires_at: None,
            public: None,
        };
        Alert { stage: self, request }
    }

    /// The newest correction of an issue, as its page names it.
    pub async fn correction_of(&self, issue: Uuid) -> Option<Uuid> {
        live::live(&self.cx, issue).await.unwrap().and_then(|it| it.correction)
    }

    /// A site pushes a post to the first topic.
    pub async fn pushes(&self, guid: &str, title: &str, alert: bool) -> Received {
        let draft = PostDraft {
            guid: guid.to_owned(),
            url: Some(format!("https://site.example.org/{guid}/")),
            title: title.to_owned(),
            summary: format!("In short: {title}."),
            ..PostDraft::default()
        };
        self.pushes_draft(draft, "election-alerts", alert).await
    }

    pub async fn pushes_draft(&self, draft: PostDraft, topic: &str, alert: bool) -> Received {
        ingesting::receive(&self.cx, draft, &[topic.to_owned()], alert).await.unwrap()
    }

    /// The key of an editor's API token.
    pub async fn token(&self) -> i64 {
        let hash = sha256(&self.cx.entropy.bytes::<32>());
        let mut tx = self.cx.db.begin().await.unwrap();
        store::tokens::insert(
            &mut tx,
            store::tokens::NewToken::new("stage", Role::Editor, &hash, self.now()),
        )
        .await
        .unwrap();
        let token = store::tokens::by_hash(&mut tx, &hash, self.now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        token.id
    }

    pub async fn cancels(&self, issue: Uuid) -> Cancelled {
        publishing::cancel(&self.cx, issue, &Actor::service()).await.unwrap()
    }

    pub async fn issue(&self, issue: Uuid) -> Issue {
        let mut tx = self.cx.db.read().await.unwrap();
        store::issues::by_public_id(&mut tx, issue).await.unwrap().unwrap()
    }

    /// What became of an issue's deliveries, as in "1 deferred, 3 sent".
    pub async fn outcome(&self, issue: Uuid) -> String {
        let issue = self.issue(issue).await;
        let mut tx = self.cx.db.read().await.unwrap();
        let counts = store::deliveries::counts(&mut tx, issue.id).await.unwrap();
        counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
    }

    /// The issues but notices, the oldest first, as in "alert: Polls close at eight".
    pub async fn issues(&self) -> Vec<String> {
        let mut tx = self.cx.db.read().await.unwrap();
        let recent = store::issues::page(&mut tx, None, i64::MAX, 1_000).await.unwrap();
        recent.iter().rev().map(|issue| format!("{}: {}", issue.kind, issue.subject)).collect()
    }
}

impl Alert<'_> {
    pub fn on(mut self, topics: &[&str]) -> Self {
        self.request.topics = topics.iter().map(|slug| slug.parse().unwrap()).collect();
        self
    }

    pub fn level(mut self, level: Level) -> Self {
        self.request.level = level;
        self
    }

    /// The same as a newsletter, and published at once.
    pub fn newsletter(mut self) -> Self {
        self.request.kind = bellwether::domain::draft::Kind::Broadcast;
        self
    }

    pub fn expires_in(mut self, wait: Duration) -> Self {
        self.request.expires_at = Some(self.stage.now().plus(wait));
        self
    }

    /// Accepted, and nothing more.
    pub async fn accepted(self) -> Published {
        publishing::alerting::publish(&self.stage.cx, &self.request, &Actor::service(), None)
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn accepted_once(self, token_id: i64, key: &str) -> Option<Published> {
        let once = Once { token_id, key, body_hash: &[1] };
        publishing::alerting::publish(&self.stage.cx, &self.request, &Actor::service(), Some(once))
            .await
            .unwrap()
    }

    pub async fn previewed(self) -> Preview {
        publishing::alerting::preview(&self.stage.cx, &self.request).await.unwrap()
    }

    pub async fn tested(self, to: &str) {
        publishing::alerting::send_test(&self.stage.cx, &self.request, to, None).await.unwrap();
    }

    /// Accepted and fanned out, while the senders rest.
    pub async fn queued(self) -> Uuid {
        let stage = self.stage;
        let published = self.accepted().await;
        stage.prepare().await;
        published.id
    }

    /// Accepted, and everything done that follows from it now.
    pub async fn sent(self) -> Uuid {
        let stage = self.stage;
        let published = self.accepted().await;
        stage.settle().await;
        published.id
    }
}
