//! Breaking news: what the editor at the sample site may send, and the call to the service's API that sends it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Secret;

/// A breaking-news text that the button is filled with.
pub struct Draft {
    pub subject: &'static str,
    pub markdown: &'static str,
}

const DRAFTS: [Draft; 5] = [
    Draft {
        subject: "Polls in Penfallow stay open until nine",
        markdown: "A power cut closed the schoolhouse on Candle Lane for 50 minutes. **Penfallow alone votes until \
                   nine**; everywhere else the polls close at eight.\n\nWho stands in the line at nine may vote.",
    },
    Draft {
        subject: "Lanthorne wins the chair of the Sound Council",
        markdown: "With every ballot counted, **Petra Lanthorne** has won the chair. Corwin Dapplemere has \
                   conceded.\n\nThe new council meets in three weeks.",
    },
    Draft {
        subject: "Harbor commissioner: 41 votes apart, recount at ten",
        markdown: "Ilsa Thornquay leads Odile Fennimarsh by **41 votes**. The rules call for a second count, by hand, \
                   at ten tomorrow in the Corn Exchange.",
    },
    Draft {
        subject: "Gale warning: Gull Island boats stop at four",
        markdown: "The last boat to Gull Island leaves at **four this afternoon**. Islanders who vote on the mainland \
                   should come back before, or bring a toothbrush.",
    },
    Draft {
        subject: "The ferry levy has passed",
        markdown: "58 in 100 voters said yes. **The winter boats will run** for five more years.",
    },
];

/// The draft for the next alert, after `sent` others.
pub fn draft(sent: usize) -> &'static Draft {
    let [first, ..] = &DRAFTS;
    DRAFTS.get(sent % DRAFTS.len()).unwrap_or(first)
}

/// An alert as the editor sends it.
#[derive(Debug, Deserialize)]
pub struct Alert {
    /// Made with the form, so that a double click sends one alert.
    pub key: Uuid,
    pub subject: String,
    pub markdown: String,
}

/// What the service answered to an accepted alert; of its fields the editor wants the number.
#[derive(Debug, Deserialize)]
pub struct Accepted {
    /// How many readers it goes to, as counted at the call.
    pub audience: u64,
}

/// Why an alert was not accepted, in a sentence for the editor.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("The service did not answer ({0}). Is it running? Nothing was sent; try again.")]
    Unreachable(reqwest::Error),
    #[error("The service said {status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("The service accepted the alert, but its answer could not be read ({0}). Look into the mailbox.")]
    Unreadable(reqwest::Error),
}

/// The service's API, as a site's server sees it.
pub struct Service {
    client: reqwest::Client,
    alerts_url: String,
    token: Secret,
    topic: String,
}

#[derive(Serialize)]
struct Body<'a> {
    subject: &'a str,
    markdown: &'a str,
    topics: [&'a str; 1],
    level: &'a str,
}

/// A refusal (RFC 9457); of its fields we need the sentence.
#[derive(Deserialize, Default)]
struct Problem {
    detail: Option<String>,
    title: Option<String>,
}

impl Service {
    /// # Errors
    /// When the HTTP client can't be set up on this machine.
    pub fn new(service_url: &str, token: Secret, topic: String) -> Result<Self, reqwest::Error> {
        // The service is on this machine: a proxy from the environment would only be in the way.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { client, alerts_url: format!("{service_url}/api/v1/alerts"), token, topic })
    }

    /// Sends an alert to the readers of the topic.
    ///
    /// # Errors
    /// With a sentence for the editor.
    pub async fn send(&self, alert: &Alert) -> Result<Accepted, AlertError> {
        let body = Body {
            subject: &alert.subject,
            markdown: &alert.markdown,
            topics: [&self.topic],
            level: "major",
        };
        let request = self
            .client
            .post(&self.alerts_url)
            .bearer_auth(self.token.expose())
            .header("Idempotency-Key", alert.key.to_string())
            .json(&body);
        let response = request.send().await.map_err(AlertError::Unreachable)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(AlertError::Unreadable);
        }
        let problem: Problem = response.json().await.unwrap_or_default();
        let reason = problem.detail.or(problem.title).unwrap_or_else(|| "it gave no reason".to_owned());
        Err(AlertError::Refused { status: status.as_u16(), reason })
    }
}
