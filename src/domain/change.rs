//! What the log of changes knows: what can be done, and to what. The words are those that stand in the log, so they never
//! change; what is new gets one of its own, and the newsroom's page must be able to say it.

super::words! {
    /// What was done.
    pub enum Act {
        FirstOwnerMade = "first owner made",
        InvitationAccepted = "invitation accepted",
        PasswordReset = "password reset",
        UserCreated = "user created",
        Invited = "invited",
        LinkMailed = "link mailed",
        LinkMade = "link made",
        LinkAskedFor = "link asked for",
        Renamed = "renamed",
        RoleChanged = "role changed",
        Disabled = "disabled",
        Enabled = "enabled",
        PasswordChanged = "password changed",
        SessionEnded = "session ended",
        SessionsEnded = "sessions ended",
        SecondFactorSetUp = "second factor set up",
        SecondFactorEnded = "second factor ended",
        RecoveryCodesRenewed = "recovery codes renewed",
        PasswordAccepted = "password accepted",
        CodeRefused = "code refused",
        SignedIn = "signed in",
        SignedOut = "signed out",
        TokenCreated = "token created",
        TokenRevoked = "token revoked",
        TopicMade = "topic made",
        TopicChanged = "topic changed",
        TopicRetired = "topic retired",
        TopicRestored = "topic restored",
        FeedMade = "feed made",
        FeedChanged = "feed changed",
        FeedRetired = "feed retired",
        FeedRestored = "feed restored",
        ScheduleMade = "schedule made",
        ScheduleChanged = "schedule changed",
        ScheduleRetired = "schedule retired",
        ScheduleRestored = "schedule restored",
        Exported = "exported",
        ImportBegun = "import begun",
        Imported = "imported",
        Unsubscribed = "unsubscribed",
        Erased = "erased",
        Paused = "paused",
        Resumed = "resumed",
        /// By the service, of what had become too late.
        PauseEnded = "ended the pause of",
        TriedAgain = "tried again",
        Began = "began",
        Wrote = "wrote",
        AskedToRelease = "asked to release",
        ThrewAway = "threw away",
        TookBack = "took back",
        Released = "released",
        /// By a program or a command, without a draft.
        AlertReleased = "alert released",
        ReleaseUndone = "undid the release of",
        ReleaseLapsed = "let the release lapse of",
        IssueCancelled = "issue cancelled",
        Corrected = "corrected",
        PutIntoArchive = "put into the archive",
        TookOutOfArchive = "took out of the archive",
        Prepared = "prepared",
        /// Of a race, its name or topics.
        Changed = "changed",
        MovedMoment = "moved the moment of",
        PutAway = "put away",
        TookOut = "took out",
    }
}

super::words! {
    /// To what it was done.
    pub enum Thing {
        /// Known by their address.
        User = "user",
        /// Known by its name, as what follows where nothing else is said.
        Token = "token",
        /// Known by its slug.
        Topic = "topic",
        /// Known by its address.
        Feed = "feed",
        Schedule = "schedule",
        /// Known by the public id, so that nothing here has to be erased.
        Subscriber = "subscriber",
        /// All there are.
        Readers = "readers",
        /// That was imported; known by the file's name.
        List = "list",
        /// Known by the public id.
        Draft = "draft",
        /// Known by the public id.
        Issue = "issue",
        /// Known by the public id.
        Race = "race",
        /// Known by its key.
        Delivery = "delivery",
        Lane = "lane",
        Relay = "relay",
        /// All that waits.
        Queue = "queue",
    }
}

impl From<super::pause::Kind> for Thing {
    fn from(kind: super::pause::Kind) -> Self {
        match kind {
            super::pause::Kind::Lane => Self::Lane,
            super::pause::Kind::Relay => Self::Relay,
        }
    }
}
