//! The columns of a list that comes from elsewhere: what they are called there, and who of it must not be mailed.

use super::words;

words! {
    /// What a column says of a person; all others are passed over.
    pub enum Column {
        Email = "email",
        State = "state",
        Alerts = "alerts",
        Digest = "digest",
        Topics = "topics",
        ConfirmedAt = "confirmed_at",
        Source = "source",
    }
}

impl Column {
    /// The column of a header's name, also as other services write it ("E-Mail", "Email Address", "Subscriber Status").
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace([' ', '-'], "_");
        match name.as_str() {
            "e_mail" | "email_address" | "e_mail_address" | "subscriber_email" => Some(Self::Email),
            "status"
            | "subscriber_status"
            | "subscriber_state"
            | "subscription_status"
            | "global_status"
            | "list_status"
            | "email_status"
            | "email_marketing_status"
            | "email_permission_status"
            | "subscribed"
            | "subscribed_to_emails" => Some(Self::State),
            "consented_at" | "confirm_time" | "optin_time" => Some(Self::ConfirmedAt),
            _ => name.parse().ok(),
        }
    }

    /// As a person reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Email => "address",
            Self::State => "state",
            Self::Alerts => "alerts",
            Self::Digest => "digest",
            Self::Topics => "topics",
            Self::ConfirmedAt => "when they agreed",
            Self::Source => "where they agreed",
        }
    }
}

words! {
    /// Why somebody on a list must not be mailed, by what the list says of them.
    pub enum Gone {
        Unsubscribed = "unsubscribed",
        Bounced = "bounced",
        Unconfirmed = "unconfirmed",
        Blocked = "blocked",
        /// A word that isn't known: better one reader too few than somebody who left.
        Inactive = "inactive",
    }
}

impl Gone {
    /// What a state says, in the words of the usual services; none of who may be mailed.
    pub fn by(state: &str) -> Option<Self> {
        let state = state.trim().to_lowercase().replace([' ', '-'], "_");
        match state.as_str() {
            "" | "active" | "subscribed" | "enabled" | "confirmed" | "true" | "yes" | "1" => None,
            "unsubscribed" | "unsubscribe" | "cancelled" | "canceled" | "opted_out" | "opt_out"
            | "optout" | "not_subscribed" | "non_subscribed" | "removed" | "deleted" | "archived"
            | "false" | "no" | "0" => Some(Self::Unsubscribed),
            "bounced" | "bounce" | "hard_bounced" | "hard_bounce" | "soft_bounced" | "cleaned"
            | "undeliverable" | "invalid" => Some(Self::Bounced),
            "unconfirmed" | "pending" | "not_confirmed" | "unverified" => Some(Self::Unconfirmed),
            "complained" | "complaint" | "spam" | "blocked" | "blocklisted" | "blacklisted" | "banned"
            | "suppressed" => Some(Self::Blocked),
            _ => Some(Self::Inactive),
        }
    }

    /// As what came of an import tells it.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Unsubscribed => "left out: unsubscribed, by the list",
            Self::Bounced => "left out: bounced, by the list",
            Self::Unconfirmed => "left out: never confirmed, by the list",
            Self::Blocked => "left out: complained or blocked, by the list",
            Self::Inactive => "left out: their state in the list is no word for active",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Gone};

    #[test]
    fn headers_of_other_tools_are_known() {
        for (header, column) in [
            ("Email Address", Some(Column::Email)),
            ("E-Mail", Some(Column::Email)),
            ("subscriber status", Some(Column::State)),
            ("Global Status", Some(Column::State)),
            ("CONFIRM_TIME", Some(Column::ConfirmedAt)),
            ("digest", Some(Column::Digest)),
            ("First Name", None),
            ("attributes", None),
            ("", None),
        ] {
            assert_eq!(Column::named(header), column, "{header:?}");
        }
    }

    #[test]
    fn only_who_is_surely_active_is() {
        for word in ["", "Active", "subscribed", "enabled", " Confirmed ", "TRUE"] {
            assert_eq!(Gone::by(word), None, "{word:?}");
        }
        for (word, gone) in [
            ("Unsubscribed", Gone::Unsubscribed),
            ("false", Gone::Unsubscribed),
            ("Hard-bounced", Gone::Bounced),
            ("cleaned", Gone::Bounced),
            ("pending", Gone::Unconfirmed),
            ("blocklisted", Gone::Blocked),
            ("disabled", Gone::Inactive),
            ("gelöscht", Gone::Inactive),
        ] {
            assert_eq!(Gone::by(word), Some(gone), "{word:?}");
        }
    }
}
