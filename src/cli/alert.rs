//! `bellwether alert`: breaking news from the command line.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::issues::progress;
use super::service::{Accepted, Found, Service};
use super::{Failure, Surroundings, known_topics, print, print_json, words};
use crate::audit::Actor;
use crate::config::Secret;
use crate::context::Context;
use crate::domain::{
    delivery::State,
    issue::Level,
    time::MINUTE,
    token::{Role, api_token, sha256},
    topic::Slug,
};
use crate::mail::{compose::Slots, html};
use crate::publishing::alerting::{self, AlertRequest, Body};
use crate::store::{self, tokens::NewToken};

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the token holds with which the alert is handed to the service.
const TOKEN_HOLDS: Duration = MINUTE.saturating_mul(10);
/// The name that issues and tokens of this command carry.
const NAME: &str = "bellwether alert";

/// Send breaking news to the readers of a topic, and watch it go
///
/// The text is Markdown. Readers with alerts on get it; level critical goes to every confirmed reader of the topics.
/// The running service takes it and sends at once, and its progress is shown until the last mail is accepted (Ctrl-C ends
/// the watching, not the sending). When none answers the alert is queued and leaves when `bellwether serve` starts.
///
/// Examples:
///   bellwether alert --topic election-alerts --subject "Polls have closed" news.md --dry-run
///   echo "**Counting begins.**" | bellwether alert --topic election-alerts --subject "Polls have closed" -
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Alert {
    /// A topic whose readers get it; say it again for more
    #[arg(long = "topic", required = true, value_name = "TOPIC")]
    topics: Vec<Slug>,
    /// One line, the first that readers see
    #[arg(long)]
    subject: String,
    /// The text, in Markdown; - for standard input
    #[arg(value_name = "FILE.md")]
    file: PathBuf,
    /// Who gets it: all and major go to readers with alerts on, critical to every confirmed reader
    #[arg(long, default_value = "all", value_parser = words::<Level>(Level::WORDS))]
    level: Level,
    /// Print the mail and how many would get it, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, and don't wait for the sending
    #[arg(long)]
    json: bool,
}

/// What --dry-run tells.
#[derive(serde::Serialize)]
struct Preview {
    audience: i64,
    mail: PreviewedMail,
}

#[derive(serde::Serialize)]
struct PreviewedMail {
    subject: String,
    text: String,
    html: String,
    bytes: usize,
}

/// An alert that was taken.
#[derive(serde::Serialize)]
struct Taken {
    id: uuid::Uuid,
    audience: i64,
    /// No service took it: it leaves when one starts.
    queued: bool,
}

/// Why no service took an alert.
enum Untaken {
    NobodyAnswers(SocketAddr),
    NotOurs(SocketAddr),
}

impl std::fmt::Display for Untaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NobodyAnswers(address) => write!(f, "no service answers at {address}"),
            Self::NotOurs(address) => write!(f, "the service at {address} is another installation's"),
        }
    }
}

impl Alert {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let markdown = read(&self.file)?;
        if self.subject.trim().is_empty() || html::is_blank(&html::markdown(&markdown)) {
            return Err(Failure::Usage(
                "an alert needs a subject and a text that shows something".to_owned(),
            ));
        }
        surroundings
            .with_database(async |cx| {
                known_topics(cx, &self.topics).await?;
                let request = AlertRequest {
                    kind: crate::domain::draft::Kind::Alert,
                    preheader: None,
                    about: None,
                    subject: Some(self.subject.clone()),
                    body: Body::Markdown(markdown.clone()),
                    link: None,
                    topics: self.topics.clone(),
                    level: self.level,
                    expires_at: None,
                    public: None,
                };
                if self.dry_run {
                    self.preview(cx, &request).await
                } else {
                    self.send(cx, &request, &markdown).await
                }
            })
            .await
    }

    async fn preview(&self, cx: &Context, request: &AlertRequest) -> Result<(), Failure> {
        let alerting::Preview { audience, draft } = alerting::preview(cx, request).await?;
        let slots = Slots {
            to: "reader@example.org",
            delivery: "0",
            date: cx.clock.now(),
            unsubscribe: "",
            preferences: "",
            confirm: "",
            original: "",
            answers: None,
        };
        let message = draft.splice(&slots);
        let parsed = mail_parser::MessageParser::default().parse(&message).unwrap_or_default();
        let mail = PreviewedMail {
            subject: draft.subject,
            text: parsed.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
            html: parsed.body_html(0).unwrap_or_default().replace("\r\n", "\n"),
            bytes: message.len(),
        };
        if self.json {
            return print_json(&Preview { audience, mail });
        }
        print(format_args!("To:      {}", readers(audience)))?;
        print(format_args!("Subject: {}", mail.subject))?;
        print(format_args!("Size:    {} bytes; --json has the HTML as well\n", mail.bytes))?;
        print(mail.text.trim_end())
    }

    async fn send(&self, cx: &Context, request: &AlertRequest, markdown: &str) -> Result<(), Failure> {
        let (taken, untaken) = match Service::find(cx).await? {
            Found::Ours(service) => (self.hand_over(cx, &service, request, markdown).await?, None),
            Found::Others(address) => (queue(cx, request).await?, Some(Untaken::NotOurs(address))),
            Found::Nobody => {
                (queue(cx, request).await?, Some(Untaken::NobodyAnswers(cx.config.server.listen)))
            }
        };
        if self.json {
            return print_json(&taken);
        }
        let Taken { id, audience, .. } = taken;
        if let Some(why) = untaken {
            print(format_args!("Queued for {}: {why}.", readers(audience)))?;
            print(
                "It will be sent when bellwether serve starts on this database, or now if one runs elsewhere.",
            )?;
            return print(format_args!("To stop it before: bellwether issues cancel {id}"));
        }
        print(format_args!(
            "On its way to {}. To stop it: bellwether issues cancel {id}",
            readers(audience)
        ))?;
        watch(cx, id, audience).await
    }

    /// Through the API of the running service.
    async fn hand_over(
        &self,
        cx: &Context,
        service: &Service,
        request: &AlertRequest,
        markdown: &str,
    ) -> Result<Taken, Failure> {
        let token = api_token(cx.entropy.bytes());
        let now = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let (hash, ends) = (sha256(token.as_bytes()), now.plus(TOKEN_HOLDS));
        let new = NewToken { expires_at: Some(ends), ..NewToken::new(NAME, Role::Editor, &hash, now) };
        store::tokens::insert(&mut tx, new).await?;
        tx.commit().await?;
        let body = serde_json::json!({
            "subject": request.subject,
            "markdown": markdown,
            "topics": request.topics.iter().map(Slug::as_str).collect::<Vec<_>>(),
            "level": request.level,
        });
        let Accepted { id, audience } =
            service.alert(&Secret::new(token), cx.entropy.uuid(now), &body).await?;
        Ok(Taken { id, audience, queued: false })
    }
}

/// Straight into the database, for the service that starts next.
async fn queue(cx: &Context, request: &AlertRequest) -> Result<Taken, Failure> {
    // Without an idempotency key an alert is always published.
    let published = alerting::publish(cx, request, &Actor::command(), None).await?;
    let published = published.ok_or_else(|| Failure::Failed("the alert was not published".to_owned()))?;
    Ok(Taken { id: published.id, audience: published.audience, queued: true })
}

/// Shows the progress until nothing of the issue is on its way any more: a bar on a terminal, lines elsewhere.
async fn watch(cx: &Context, id: uuid::Uuid, audience: i64) -> Result<(), Failure> {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}  {msg}");
    let bar = ProgressBar::new(audience.unsigned_abs())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut told = String::new();
    loop {
        let progress = progress(cx, id).await?;
        let line = progress.to_string();
        let waiting = progress.count(&[State::Queued, State::Sending, State::Deferred]);
        bar.set_length(audience.max(progress.audience).unsigned_abs());
        bar.set_position((progress.audience - waiting).unsigned_abs());
        bar.set_message(line.clone());
        if progress.is_over() {
            bar.finish_and_clear();
            return print(format_args!("Done: {line}."));
        }
        if bar.is_hidden() && line != told {
            eprintln!("{line}");
            told = line;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut opened| opened.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::Failed(format!("{} can't be read: {error}", file.display())))?;
    Ok(text)
}

fn readers(count: i64) -> String {
    match count {
        0 => "nobody yet (no reader of the topics has alerts on)".to_owned(),
        1 => "1 reader".to_owned(),
        count => format!("{count} readers"),
    }
}
