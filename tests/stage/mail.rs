//! A mail as it came out at the relay.

use std::sync::Arc;

use bellwether::cli::demo::mailbox::Received;
use mail_parser::{Message, MessageParser};

use super::Stage;

pub struct Mail(Arc<Received>);

impl Stage {
    /// The mails to an address, the oldest first.
    pub fn inbox(&self, address: &str) -> Vec<Mail> {
        self.mailbox.to(address).into_iter().map(Mail).collect()
    }

    /// The newest mail to an address.
    #[track_caller]
    pub fn newest(&self, address: &str) -> Mail {
        self.inbox(address).pop().unwrap_or_else(|| panic!("no mail to {address}"))
    }

    /// The subjects of the mails to an address, the oldest first, without confirmations.
    pub fn subjects(&self, address: &str) -> Vec<String> {
        let news = |mail: &Mail| mail.header("Auto-Submitted").is_none();
        self.inbox(address).iter().filter(|mail| news(mail)).map(Mail::subject).collect()
    }
}

impl Mail {
    /// The envelope's sender.
    pub fn return_path(&self) -> &str {
        &self.0.from
    }

    /// Header and body as they came.
    pub fn raw(&self) -> &[u8] {
        &self.0.raw
    }

    /// What the relay called it in its reply.
    pub fn kept_as(&self) -> u64 {
        self.0.id
    }

    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> String {
        self.parsed().body_text(0).unwrap_or_default().replace("\r\n", "\n")
    }

    pub fn html(&self) -> String {
        self.parsed().body_html(0).unwrap_or_default().into_owned()
    }

    /// A header field's value, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let parsed = self.parsed();
        let raw = parsed.header_raw(name)?;
        Some(raw.replace("\r\n", "").trim().to_owned())
    }

    /// The path of the link for `purpose` ("confirm", "unsubscribe", "preferences"), from the text part.
    #[track_caller]
    pub fn link(&self, purpose: &str) -> String {
        let text = self.text();
        let start = format!("https://news.example.org/{purpose}/");
        let link = text.lines().find(|line| line.starts_with(&start));
        let link = link.unwrap_or_else(|| panic!("no link to {purpose} in:\n{text}"));
        link.trim_start_matches("https://news.example.org").trim_end().to_owned()
    }

    fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.0.raw).unwrap()
    }
}
