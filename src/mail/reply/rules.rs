//! The table of what SMTP replies mean, for anyone to read and extend: a new row wants a reply in the tests below it.

use super::{Reply, Stage, Verdict};

/// One row: it applies where each condition that it has holds. The first row that applies decides.
pub struct Rule {
    stages: &'static [Stage],
    /// Patterns of the code, `*` for any rest: `550`, `4*`.
    codes: &'static [&'static str],
    /// Patterns of the enhanced code: `5.1.1`, `5.7.*`.
    enhanced: &'static [&'static str],
    /// Whole words in lower case, one of which the text has; punctuation counts as a space.
    words: &'static [&'static str],
    pub verdict: Verdict,
    pub means: &'static str,
}

/// A row without conditions: what the others begin from, and the last of them.
const ANY: Rule = Rule {
    stages: &[],
    codes: &[],
    enhanced: &[],
    words: &[],
    verdict: Verdict::Transient,
    means: "an answer that SMTP doesn't know",
};

const BEFORE_RCPT: &[Stage] = &[Stage::Connect, Stage::Hello, Stage::Auth, Stage::Mail];
const SUPPRESS: Verdict = Verdict::Refused { suppress: true };
const REFUSED: Verdict = Verdict::Refused { suppress: false };

static RULES: &[Rule] = &[
    // Accepted
    Rule { stages: &[Stage::Data], codes: &["354"], verdict: Verdict::Accepted, means: "go ahead", ..ANY },
    Rule {
        stages: &[Stage::Data],
        codes: &["2*"],
        verdict: Verdict::Transient,
        means: "out of step: this answers something else than DATA",
        ..ANY
    },
    Rule { stages: &[Stage::Auth], codes: &["334"], verdict: Verdict::Accepted, means: "go on", ..ANY },
    Rule { codes: &["2*"], verdict: Verdict::Accepted, means: "accepted", ..ANY },
    // For a time
    Rule { codes: &["421", "454"], verdict: Verdict::Throttled, means: "the relay asks for a pause", ..ANY },
    Rule {
        codes: &["4*"],
        words: &["greylisted", "greylisting", "greylist", "graylisted", "graylisting"],
        verdict: Verdict::Transient,
        means: "greylisted: a later try is taken",
        ..ANY
    },
    Rule {
        codes: &["4*"],
        enhanced: &["4.2.*"],
        verdict: Verdict::Transient,
        means: "the mailbox can't take mail just now",
        ..ANY
    },
    Rule {
        codes: &["4*"],
        enhanced: &["4.7.*"],
        verdict: Verdict::Throttled,
        means: "the relay holds our mail back by its policy",
        ..ANY
    },
    Rule {
        codes: &["4*"],
        words: &[
            "rate",
            "too many",
            "too much mail",
            "too fast",
            "too quickly",
            "throttled",
            "throttling",
            "throttle",
            "slow down",
            "ratelimit",
            "ratelimited",
        ],
        verdict: Verdict::Throttled,
        means: "we send faster than the relay takes mail",
        ..ANY
    },
    Rule { codes: &["4*"], verdict: Verdict::Transient, means: "not now; a later try may be taken", ..ANY },
    // Our own doing, by what only we can mend
    Rule {
        codes: &["530", "534", "535", "538"],
        verdict: Verdict::OurFault,
        means: "the relay refuses our credentials or wants some",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        words: &[
            "relaying denied",
            "relay denied",
            "relay access denied",
            "relaying not allowed",
            "relay not permitted",
            "relaying prohibited",
            "not permitted to relay",
            "unable to relay",
            "cannot relay",
            "do not relay",
        ],
        verdict: Verdict::OurFault,
        means: "the relay doesn't relay for us: check its address, our network and our credentials",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        words: &[
            "sender address rejected",
            "sender rejected",
            "sender denied",
            "sender verify failed",
            "sender not allowed",
            "helo command rejected",
            "client host rejected",
            "not verified",
        ],
        verdict: Verdict::OurFault,
        means: "the relay refuses our sender address or host name",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        enhanced: &["5.1.7", "5.1.8"],
        verdict: Verdict::OurFault,
        means: "the relay refuses our sender address",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        words: &["sending limit", "sending limits", "sending quota", "message quota"],
        verdict: Verdict::OurFault,
        means: "our quota at the relay is used up",
        ..ANY
    },
    // The message is too big, which MAIL may say already (RFC 1870)
    Rule {
        codes: &["5*"],
        enhanced: &["5.3.4", "5.2.3"],
        verdict: REFUSED,
        means: "the message is too big",
        ..ANY
    },
    Rule {
        stages: &[Stage::Mail, Stage::Data, Stage::Body],
        codes: &["552"],
        verdict: REFUSED,
        means: "the message is too big",
        ..ANY
    },
    Rule {
        stages: BEFORE_RCPT,
        codes: &["5*"],
        verdict: Verdict::OurFault,
        means: "the relay refuses us before it knows the recipient",
        ..ANY
    },
    // The recipient
    Rule {
        stages: &[Stage::Rcpt],
        codes: &["5*"],
        enhanced: &["5.1.1", "5.1.10", "5.2.1"],
        verdict: SUPPRESS,
        means: "there is no such mailbox, or it is closed",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        enhanced: &["5.7.*"],
        verdict: Verdict::OurFault,
        means: "the relay refuses our mail by its policy",
        ..ANY
    },
    Rule {
        stages: &[Stage::Rcpt],
        codes: &["5*"],
        words: &[
            "user unknown",
            "unknown user",
            "no such user",
            "no such recipient",
            "recipient unknown",
            "unknown recipient",
            "does not exist",
            "mailbox unavailable",
            "mailbox not found",
            "no mailbox here",
            "no such mailbox",
            "invalid mailbox",
            "invalid recipient",
        ],
        verdict: REFUSED,
        means: "there seems to be no such mailbox",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        words: &[
            "blocked",
            "blacklisted",
            "blacklist",
            "blocklisted",
            "blocklist",
            "denylisted",
            "banned",
            "spam",
            "spamhaus",
            "rbl",
            "dnsbl",
            "reputation",
            "unsolicited",
        ],
        verdict: Verdict::OurFault,
        means: "the relay takes us or our mail for a spammer's",
        ..ANY
    },
    Rule {
        stages: &[Stage::Rcpt],
        codes: &["5*"],
        enhanced: &["5.1.*", "5.2.*", "5.3.*", "5.4.*"],
        verdict: REFUSED,
        means: "refused for good, and not for what we said (RFC 3463, section 3)",
        ..ANY
    },
    Rule {
        codes: &["500", "502", "503", "504"],
        verdict: Verdict::Transient,
        means: "out of step: the relay didn't understand us; a fresh connection may do",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        enhanced: &["5.5.*"],
        verdict: Verdict::Transient,
        means: "out of step: the relay didn't understand us; a fresh connection may do",
        ..ANY
    },
    Rule {
        codes: &["5*"],
        enhanced: &["5.6.*"],
        verdict: REFUSED,
        means: "the relay can't take what the message holds",
        ..ANY
    },
    Rule { codes: &["5*"], verdict: REFUSED, means: "refused for good", ..ANY },
    ANY,
];

/// The first row of the table that applies.
pub fn decisive(stage: Stage, reply: &Reply) -> &'static Rule {
    let code = reply.code.to_string();
    let enhanced = reply.enhanced.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"));
    let text = spaced(&reply.text);
    let applies = |rule: &&Rule| {
        (rule.stages.is_empty() || rule.stages.contains(&stage))
            && (rule.codes.is_empty() || rule.codes.iter().any(|pattern| fits(pattern, &code)))
            && (rule.enhanced.is_empty()
                || enhanced
                    .as_deref()
                    .is_some_and(|code| rule.enhanced.iter().any(|pattern| fits(pattern, code))))
            && (rule.words.is_empty() || rule.words.iter().any(|words| text.contains(&format!(" {words} "))))
    };
    RULES.iter().find(applies).unwrap_or(&ANY)
}

fn fits(pattern: &str, code: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == code, |beginning| code.starts_with(beginning))
}

/// The words in lower case with one space around each.
fn spaced(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |line, word| line + word.to_lowercase().as_str() + " ")
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Accepted, OurFault, Throttled, Transient};
    use super::{REFUSED, RULES, Reply, SUPPRESS, Stage, Verdict, decisive};

    /// Replies as servers give them, at least one for each rule, each with what must follow.
    const REPLIES: &[(Stage, &str, Verdict)] = &[
        (Stage::Connect, "220 mx.example.org ESMTP", Accepted),
        (Stage::Auth, "334 UGFzc3dvcmQ6", Accepted),
        (Stage::Auth, "235 2.7.0 Authentication successful", Accepted),
        (Stage::Rcpt, "250 2.1.5 Ok", Accepted),
        (Stage::Rcpt, "251 user not local; will forward", Accepted),
        (Stage::Data, "354 End data with <CR><LF>.<CR><LF>", Accepted),
        (Stage::Data, "250 2.1.5 Ok", Transient),
        (Stage::Body, "250 2.0.0 Ok: queued as 4F1C2", Accepted),
        (Stage::Rcpt, "354 go ahead", Transient),
        (Stage::Rcpt, "999 what", Transient),
        (Stage::Connect, "421 4.3.2 too busy", Throttled),
        (Stage::Body, "421 closing the channel", Throttled),
        (Stage::Body, "454 Throttling failure: Maximum sending rate exceeded", Throttled),
        (Stage::Auth, "454 4.7.0 Temporary authentication failure", Throttled),
        (Stage::Rcpt, "450 4.7.1 <ada@example.org>: Recipient address rejected: Greylisted", Transient),
        (Stage::Rcpt, "450 4.2.1 this mailbox receives mail at a rate that is too high", Transient),
        (Stage::Rcpt, "452 4.2.2 mailbox full", Transient),
        (Stage::Mail, "451 4.7.28 unusual rate of mail from your network", Throttled),
        (Stage::Rcpt, "450 too many connections, slow down", Throttled),
        (Stage::Body, "451 rate limit reached", Throttled),
        (Stage::Body, "451 the moderator of this corporate list is away", Transient),
        (Stage::Rcpt, "451 4.3.0 try again later", Transient),
        (Stage::Connect, "450 no", Transient),
        (Stage::Mail, "530 5.7.0 Authentication required", OurFault),
        (Stage::Auth, "535 5.7.8 bad username or password", OurFault),
        (Stage::Rcpt, "550 5.7.1 <ada@example.org>... Relaying denied", OurFault),
        (Stage::Rcpt, "554 5.7.1 <ada@example.org>: Relay access denied", OurFault),
        (Stage::Rcpt, "550 relay not permitted", OurFault),
        (Stage::Rcpt, "550 5.1.0 <desk@example.org>: Sender address rejected: User unknown", OurFault),
        (Stage::Rcpt, "550 5.1.8 domain of sender not found", OurFault),
        (Stage::Rcpt, "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname", OurFault),
        (Stage::Body, "554 Message rejected: Email address is not verified.", OurFault),
        (Stage::Rcpt, "550 5.4.5 Daily user sending limit exceeded", OurFault),
        (Stage::Mail, "552 5.3.4 Message size exceeds fixed limit", REFUSED),
        (Stage::Mail, "552 too large", REFUSED),
        (Stage::Body, "552 message too large", REFUSED),
        (Stage::Mail, "550 no", OurFault),
        (Stage::Mail, "501 5.1.7 bad sender address syntax", OurFault),
        (Stage::Connect, "554 no SMTP service here", OurFault),
        (Stage::Hello, "550 go away", OurFault),
        (Stage::Hello, "502 STARTTLS not implemented", OurFault),
        (Stage::Rcpt, "550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown", SUPPRESS),
        (Stage::Rcpt, "550 5.1.10 recipient not found", SUPPRESS),
        (Stage::Rcpt, "556 5.1.10 domain takes no mail", SUPPRESS),
        (Stage::Rcpt, "550 5.2.1 mailbox disabled, blocked by its owner", SUPPRESS),
        (Stage::Rcpt, "550 sorry, no mailbox here by that name. (#5.1.1)", SUPPRESS),
        (Stage::Body, "550 5.1.1 no such user", REFUSED),
        (Stage::Rcpt, "550 5.7.26 unauthenticated mail is refused", OurFault),
        (Stage::Body, "550 5.7.1 looks like junk", OurFault),
        (Stage::Rcpt, "550 No such user!", REFUSED),
        (Stage::Rcpt, "550 5.5.0 Requested action not taken: mailbox unavailable", REFUSED),
        (Stage::Rcpt, "550 user unknown", REFUSED),
        (Stage::Rcpt, "554 your address is listed at a blocklist", OurFault),
        (Stage::Body, "554 rejected as spam", OurFault),
        (Stage::Rcpt, "550 user ada not listed in our directory", REFUSED),
        (Stage::Rcpt, "500 5.3.0 Error: command failed", REFUSED),
        (Stage::Rcpt, "500 what?", Transient),
        (Stage::Rcpt, "503 need MAIL first", Transient),
        (Stage::Data, "554 5.5.1 no valid recipients", Transient),
        (Stage::Body, "554 5.6.0 broken MIME", REFUSED),
        (Stage::Rcpt, "552 5.2.2 mailbox full", REFUSED),
        (Stage::Rcpt, "550 5.1.2 no such domain", REFUSED),
        (Stage::Rcpt, "553 5.1.3 bad address syntax", REFUSED),
        (Stage::Rcpt, "501 address syntax", REFUSED),
        (Stage::Body, "554 transaction failed", REFUSED),
    ];

    fn reply(line: &str) -> Reply {
        Reply::parse(line[..3].parse().unwrap(), &line[4..])
    }

    #[test]
    fn each_reply_leads_to_what_it_means() {
        for &(stage, line, expected) in REPLIES {
            assert_eq!(decisive(stage, &reply(line)).verdict, expected, "{stage}: {line}");
        }
    }

    #[test]
    fn no_rule_stands_in_the_table_without_a_reply_that_needs_it() {
        for (i, row) in RULES.iter().enumerate() {
            let decides =
                |&(stage, line, _): &(Stage, &str, Verdict)| std::ptr::eq(decisive(stage, &reply(line)), row);
            assert!(REPLIES.iter().any(decides), "row {i}: {}", row.means);
        }
    }

    #[test]
    fn only_a_refused_recipient_is_ever_suppressed() {
        for &stage in Stage::ALL {
            for code in 200..600 {
                for text in ["", "5.1.1 user unknown", "5.2.1 closed", "5.1.10 no", "4.1.1 no", "5.7.1 no"] {
                    let reply = Reply::parse(code, text);
                    let suppresses = decisive(stage, &reply).verdict == SUPPRESS;
                    assert!(!suppresses || (stage == Stage::Rcpt && code >= 500), "{stage}: {reply}");
                }
            }
        }
    }
}
