//! What people and tokens may do: four roles, each with all that the next one has and more.

super::words! {
    /// `owner` all, `editor` compose and release, `contributor` compose, `viewer` read.
    pub enum Role {
        Owner = "owner",
        Editor = "editor",
        Contributor = "contributor",
        Viewer = "viewer",
    }
}

/// What a page or a call asks of whoever wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Look.
    Read,
    /// Write posts and drafts.
    Compose,
    /// Send mail to readers, and stop it.
    Release,
    /// Say who may: people, tokens, the log of changes.
    Manage,
}

impl Role {
    pub const fn may(self, right: Right) -> bool {
        match right {
            Right::Read => true,
            Right::Compose => matches!(self, Self::Owner | Self::Editor | Self::Contributor),
            Right::Release => matches!(self, Self::Owner | Self::Editor),
            Right::Manage => matches!(self, Self::Owner),
        }
    }

    /// Whether it may send mail to readers.
    pub const fn may_release(self) -> bool {
        self.may(Right::Release)
    }

    /// Whether it may add posts.
    pub const fn may_compose(self) -> bool {
        self.may(Right::Compose)
    }

    /// What it may, as a person reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Owner => "everything, also who may",
            Self::Editor => "compose and release",
            Self::Contributor => "compose, and ask for release",
            Self::Viewer => "look, and change nothing",
        }
    }
}

impl Right {
    /// As in "may not …".
    pub const fn as_verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Compose => "write",
            Self::Release => "send mail to readers",
            Self::Manage => "change how the newsroom is set up, or who may",
        }
    }
}

super::words! {
    /// A part of the API that a token may be kept to.
    pub enum Area {
        /// Posts that a site pushes.
        Posts = "posts",
        /// Breaking news.
        Alerts = "alerts",
        /// What became of what was published.
        Issues = "issues",
        /// Readers and their histories.
        Subscribers = "subscribers",
        /// Topics, feeds and schedules.
        Sources = "sources",
        /// The people of the newsroom. Who may invite may make an owner.
        Users = "users",
        /// Keys to the API.
        Tokens = "tokens",
        /// The log of changes.
        Audit = "audit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_all_that_the_next_one_has() {
        for pair in Role::ALL.windows(2) {
            for right in [Right::Read, Right::Compose, Right::Release, Right::Manage] {
                assert!(pair[0].may(right) || !pair[1].may(right), "{pair:?} {right:?}");
            }
        }
        assert!(Role::ALL.iter().filter(|role| role.may(Right::Manage)).eq([&Role::Owner]));
    }
}
