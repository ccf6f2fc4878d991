//! Shows that the sink counts right, however what it reads is cut.

use super::Result;
use super::conversation::{Conversation, Then};
use super::counts::Counts;

/// What a client says, all at once, and what is to be answered, by the first three digits of each line.
const SAID: &str = "EHLO a.example\r\n\
    RCPT TO:<news-1@example.com>\r\n\
    MAIL FROM:<bounces+7@example.org>\r\nRCPT TO:<news-0000001@example.com>\r\nDATA\r\n\
    To: news-0000001@example.com\r\n\r\n.. a dot\r\n.\n.\r\r\n..\r\n.\r\n\
    MAIL FROM:<bounces+8@example.org>\r\nRCPT TO:<news-0000002@example.com>\r\nDATA\r\n.\r\n\
    MAIL FROM:<>\r\nRSET\r\nnoop\r\nWHAT\r\n\
    mail from:<bounces+9@example.org>\r\nrcpt to:<bulk-2@example.com>\r\ndata\r\nDATA\r\n.\r\n\
    MAIL FROM:<bounces+7@example.org>\r\nRCPT TO:<news-0000001@example.com>\r\nDATA\r\nsecond\r\n\r\n.\r\n\
    QUIT\r\n";
const ANSWERED: &str = "220 250 250 250 250 503 250 250 354 250 250 250 354 250 250 250 250 502 250 250 354 250 250 250 354 250 221";

/// Ends with an error where something is wrong.
pub fn run() -> Result<()> {
    conversations()?;
    println!("the sink is right");
    Ok(())
}

fn conversations() -> Result<()> {
    let said = SAID.as_bytes();
    // Cut everywhere in two, and into pieces of one to nine bytes.
    for cut in 0..=said.len() {
        converse(&[&said[..cut], &said[cut..]])?;
    }
    for size in 1..10 {
        converse(&said.chunks(size).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn converse(pieces: &[&[u8]]) -> Result<()> {
    let mut counts = Counts::default();
    let mut conversation = Conversation::new(true);
    let mut then = Then::GoOn;
    for piece in pieces {
        conversation.input.extend_from_slice(piece);
        if then == Then::GoOn {
            then = conversation.proceed(&mut counts);
        }
    }
    let output = String::from_utf8(std::mem::take(&mut conversation.output))?;
    let codes: Vec<&str> = output.lines().map(|line| &line[..3]).collect();
    let codes = codes.join(" ");
    let report: super::counts::Report = serde_json::from_str(&counts.report())?;
    let [bulk, news, ..] = &report.groups;
    let sample = "To: news-0000001@example.com\r\n\r\n.. a dot\r\n.\n.\r\r\n..\r\n";
    let bytes = sample.len() + "second\r\n\r\n".len();
    let right = codes == ANSWERED
        && then == Then::HangUp
        && (news.accepted, news.distinct, news.again, news.bytes) == (3, 2, 1, bytes as u64)
        && (bulk.accepted, bulk.distinct, bulk.again, bulk.bytes) == (1, 1, 0, 6)
        && (news.others_at_first, news.others_at_last, bulk.others_at_first) == (0, 1, 2)
        && report.sample.as_deref() == Some(sample)
        && report.sender.as_deref() == Some("MAIL FROM:<bounces+7@example.org>");
    if right {
        Ok(())
    } else {
        Err(format!("the sink is wrong about {} pieces: {codes}\n{report:?}", pieces.len()).into())
    }
}
