//! Calls webhooks (Standard Webhooks 1.0): each try is signed anew, has the same `webhook-id`, and is done within 15 s. No
//! redirect is followed, and of an answer no more is read than is shown.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, header};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Error, LEASE};
use crate::config::Webhook;
use crate::context::Context;
use crate::domain::{
    text,
    time::Timestamp,
    webhook::{seconds, wait},
};
use crate::metrics::CallOutcome;
use crate::store::{self, webhook_calls::Call};

/// For everything from the name's resolution to the answer.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// So many calls are made at once.
const AT_ONCE: i64 = 20;
/// Of an answer that is no, so much is read, in bytes, and shown, in characters.
const READ: usize = 2_048;
const SHOWN: usize = 200;

/// Calls webhooks. Cheap to clone; the clones share their connections.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
    deadline: Duration,
}

/// What came of a call, with the answer in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Taken(String),
    /// 410: it wants no more calls.
    Gone(String),
    /// Anything else, or nothing.
    Failed(String),
}

impl Caller {
    /// # Errors
    /// When the TLS of this machine can't be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("Bellwether/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, deadline: DEADLINE })
    }

    /// The same with another limit than 15 s for a call.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Makes the calls that are due. Returns how many those were. One that fails is made again later; one that this
    /// program is killed in is made again after a minute.
    ///
    /// # Errors
    /// A database that can't be written.
    pub async fn call_due(&self, cx: &Context) -> Result<usize, Error> {
        let now = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let calls = store::webhook_calls::take_due(&mut tx, now, now.plus(LEASE), AT_ONCE).await?;
        tx.commit().await?;
        let count = calls.len();
        let mut under_way = JoinSet::new();
        for call in calls {
            let webhook = cx.config.watch.webhooks.iter().find(|known| known.url.as_str() == call.url);
            let (caller, webhook, now) = (self.clone(), webhook.cloned(), cx.clock.now());
            under_way.spawn(async move {
                let answer = match &webhook {
                    Some(webhook) => Some(caller.call(webhook, call.message_id, now, &call.body).await),
                    None => None,
                };
                (call, webhook, answer)
            });
        }
        while let Some(done) = under_way.join_next().await {
            match done {
                Ok((call, webhook, answer)) => {
                    // Not written down, it is made again; the others are all the same.
                    if let Err(error) = settle(cx, &call, webhook.as_ref(), answer).await {
                        tracing::error!(%error, "what came of a webhook's call can't be written down");
                    }
                }
                Err(error) => tracing::error!(%error, "the call of a webhook broke down; it is made again"),
            }
        }
        Ok(count)
    }

    /// Calls a webhook once.
    pub async fn call(&self, webhook: &Webhook, id: Uuid, at: Timestamp, body: &str) -> Answer {
        let id = id.to_string();
        let request = self
            .client
            .post(webhook.url.clone())
            .timeout(self.deadline)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-signature", webhook.key.sign(&id, at, body))
            .header("webhook-timestamp", seconds(at))
            .header("webhook-id", id)
            .body(body.to_owned());
        match request.send().await {
            Ok(response) => understood(response).await,
            Err(error) if error.is_timeout() => {
                Answer::Failed(format!("it did not answer within {} s", self.deadline.as_secs_f64()))
            }
            Err(error) => Answer::Failed(reason(&error)),
        }
    }
}

async fn understood(response: Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken(status.to_string());
    }
    if status == StatusCode::GONE {
        return Answer::Gone(status.to_string());
    }
    if status.is_redirection() {
        return Answer::Failed(format!(
            "{status}: redirects are not followed; set its url to where they end"
        ));
    }
    let said = text::one_line(&beginning(response).await, SHOWN);
    Answer::Failed(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") })
}

/// The first of what it said; nothing where that breaks off or takes too long.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk[..chunk.len().min(READ - bytes.len())]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The innermost cause, without the address: the rest of it may be as good as a password.
fn reason(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut reason = None;
    while let Some(inner) = cause {
        reason = Some(inner.to_string());
        cause = inner.source();
    }
    format!("it can't be reached: {}", reason.unwrap_or_else(|| "no reason given".to_owned()))
}

async fn settle(
    cx: &Context,
    call: &Call,
    webhook: Option<&Webhook>,
    answer: Option<Answer>,
) -> Result<(), Error> {
    let now = cx.clock.now();
    let place = webhook.map(Webhook::place).unwrap_or_default();
    let mut tx = cx.db.begin().await?;
    let outcome = match &answer {
        Some(Answer::Taken(said)) => {
            store::webhook_calls::end(&mut tx, call, true, said, now).await?;
            CallOutcome::Taken
        }
        Some(Answer::Gone(_)) => {
            store::webhook_calls::gone(&mut tx, &call.url, now).await?;
            tracing::warn!(webhook = place, "a webhook answers 410 Gone: it is called no more");
            CallOutcome::Gone
        }
        Some(Answer::Failed(said)) => match wait(call.attempts, cx.entropy.fraction()) {
            Some(wait) => {
                store::webhook_calls::put_off(&mut tx, call, said, now.plus(wait)).await?;
                tracing::warn!(webhook = place, answer = said, "a webhook can't be called; trying again");
                CallOutcome::Failed
            }
            None => {
                store::webhook_calls::end(&mut tx, call, false, said, now).await?;
                tracing::error!(
                    webhook = place,
                    answer = said,
                    "a webhook was called for long and took nothing"
                );
                CallOutcome::GivenUp
            }
        },
        None => {
            store::webhook_calls::end(&mut tx, call, false, "it is not in the configuration any more", now)
                .await?;
            CallOutcome::GivenUp
        }
    };
    tx.commit().await?;
    cx.metrics.webhook_call(outcome);
    Ok(())
}
