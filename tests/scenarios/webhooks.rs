//! The calls of webhooks: signed, made again until somebody took them, and never lost.

use std::time::Duration;

use bellwether::domain::time::Timestamp;
use bellwether::store;
use bellwether::watching::{self, Answer, Caller};

use crate::stage::{Hook, Reply, Setup, Span, Stage, both};

/// Something is amiss, and written down; nobody is called yet.
async fn amiss(stage: &Stage, guid: &str) {
    stage.pushes(guid, guid, true).await;
    stage.cx.clock.advance(10.minutes());
    watching::look(&stage.cx).await.unwrap();
}

async fn all_gone(stage: &Stage) -> Vec<(String, Timestamp)> {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::webhook_calls::all_gone(&mut tx).await.unwrap()
}

fn counted(stage: &Stage, outcome: &str) -> bool {
    let line = format!("bellwether_webhook_calls_total{{outcome=\"{outcome}\"}} ");
    let text = stage.cx.metrics.text();
    text.lines().any(|shown| shown.strip_prefix(&line).is_some_and(|count| count != "0"))
}

both! {
    async fn a_receiver_that_fails_gets_it_again_under_the_same_id(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        hook.answers(&[Reply::Status(500), Reply::Babbles(503), Reply::Status(200)]);
        amiss(&stage, "count").await;
        assert_eq!(stage.calls_webhooks().await, 1);
        assert_eq!(stage.calls_webhooks().await, 0, "it is not due yet");
        stage.cx.clock.advance(7.seconds());
        assert_eq!(stage.calls_webhooks().await, 1);
        stage.cx.clock.advance(40.seconds());
        assert_eq!(stage.calls_webhooks().await, 1);
        stage.cx.clock.advance(2.days());
        assert_eq!(stage.calls_webhooks().await, 0, "it was taken");
        let calls = hook.calls();
        assert_eq!(calls.len(), 3);
        assert!(calls.iter().all(|call| call.id == calls[0].id && call.body == calls[0].body));
        assert!(calls.iter().all(|call| call.is_signed()), "each by its own time");
        assert!(calls[0].timestamp < calls[1].timestamp && calls[1].timestamp < calls[2].timestamp);
        assert_eq!(calls[0].timestamp, 1_793_362_200, "2026-10-30T12:10:00Z");
        assert!(counted(&stage, "failed") && counted(&stage, "taken") && !counted(&stage, "given-up"));
    }

    async fn a_receiver_that_never_takes_it_is_given_up_after_a_day_and_a_half(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        hook.answers(&[Reply::Status(502); 99]);
        amiss(&stage, "count").await;
        for _ in 0..500 {
            stage.calls_webhooks().await;
            stage.cx.clock.advance(10.minutes());
        }
        assert_eq!(hook.calls().len(), 10);
        assert!(counted(&stage, "given-up"));
        let since = stage.now().minus(3.days());
        let mut tx = stage.cx.db.read().await.unwrap();
        let given_up = store::webhook_calls::given_up(&mut tx, since).await.unwrap();
        assert_eq!(given_up, [(hook.url(), "502 Bad Gateway: so it says".to_owned(), 1)]);
    }

    async fn a_receiver_that_is_gone_is_called_no_more_and_another_still_is(setup: Setup) {
        let (hook, other) = (Hook::opens().await, Hook::opens().await);
        let setup = setup.webhook(&hook).with("watch.webhooks.1.url", &other.url());
        let stage = setup.with("watch.webhooks.1.secret", &Hook::secret()).open().await;
        hook.answers(&[Reply::Status(500), Reply::Status(410)]);
        amiss(&stage, "count").await;
        stage.calls_webhooks().await;
        amiss(&stage, "result").await;
        stage.calls_webhooks().await;
        let called = hook.calls().len();
        assert!((2..=3).contains(&called), "{called}: the one that failed, and the new one beside it");
        assert_eq!(all_gone(&stage).await.len(), 1);
        amiss(&stage, "recount").await;
        stage.cx.clock.advance(1.day());
        stage.calls_webhooks().await;
        assert_eq!(hook.calls().len(), called);
        assert_eq!(other.kinds(), ["alert.missing"; 3]);
        assert!(other.calls().iter().any(|call| call.id == hook.calls()[0].id), "one message, one id");
        assert!(counted(&stage, "gone"));
        let mut mary = stage.viewer("mary").await;
        mary.opens("/admin").await.says("answered 410 Gone and is called no more");
        let checked = stage.operator(&["check"]).await.out;
        assert!(checked.lines().any(|line| line.starts_with("warning  webhook http://127.0.0.1:") && line.contains("410 Gone")), "{checked}");
        // A test that is taken brings it back.
        let tested = stage.operator_reads(&["watch", "test"]).await;
        assert!(tested.contains("204 No Content; it is called again"), "{tested}");
        assert_eq!(hook.kinds().last().unwrap(), "watch.test");
        assert_eq!(all_gone(&stage).await, []);
    }

    async fn a_receiver_that_hangs_holds_up_no_other(setup: Setup) {
        let (hook, other) = (Hook::opens().await, Hook::opens().await);
        let setup = setup.webhook(&hook).with("watch.webhooks.1.url", &other.url());
        let stage = setup.with("watch.webhooks.1.secret", &Hook::secret()).open().await;
        hook.answers(&[Reply::Hangs]);
        amiss(&stage, "count").await;
        let caller = Caller::new().unwrap().with_deadline(Duration::from_millis(100));
        let webhook = &stage.cx.config.watch.webhooks[0];
        let answer = caller.call(webhook, stage.cx.entropy.uuid(stage.now()), stage.now(), "{}").await;
        assert_eq!(answer, Answer::Failed("it did not answer within 0.1 s".to_owned()));
        hook.answers(&[Reply::Hangs]);
        let caller = Caller::new().unwrap();
        let hangs = tokio::spawn({
            let cx = stage.cx.clone();
            async move { caller.call_due(&cx).await }
        });
        other.called(1).await;
        hangs.abort();
        assert!(watching::DEADLINE < Duration::from_secs(60), "well within the lease");
    }

    async fn a_redirect_is_not_followed(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        hook.answers(&[Reply::Redirects]);
        amiss(&stage, "count").await;
        stage.calls_webhooks().await;
        assert_eq!((hook.calls().len(), hook.elsewhere()), (1, 0));
        let mut tx = stage.cx.db.read().await.unwrap();
        let failing = store::webhook_calls::failing(&mut tx).await.unwrap();
        assert!(failing[0].1.starts_with("307 Temporary Redirect: redirects are not followed"), "{failing:?}");
    }

    async fn a_kill_before_the_call_or_in_it_loses_nothing(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        amiss(&stage, "count").await;
        let stage = stage.restarted().await;
        hook.answers(&[Reply::Hangs]);
        let calling = tokio::spawn({
            let cx = stage.cx.clone();
            async move { Caller::new().unwrap().call_due(&cx).await }
        });
        hook.called(1).await;
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
        let stage = stage.restarted().await;
        watching::look(&stage.cx).await.unwrap();
        assert_eq!(stage.calls_webhooks().await, 0, "whoever took it may still be at it");
        stage.cx.clock.advance(61.seconds());
        assert_eq!(stage.calls_webhooks().await, 1);
        let calls = hook.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].id, calls[1].id, "its receiver knows it by its id");
        assert_eq!(stage.calls_webhooks().await, 0);
    }

    async fn a_webhook_that_is_taken_out_is_called_no_more(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        amiss(&stage, "count").await;
        let stage = stage.restarted_with(|setup| setup.without("watch.")).await;
        assert_eq!(stage.calls_webhooks().await, 1);
        assert_eq!((hook.calls().len(), stage.calls_webhooks().await), (0, 0));
    }

    async fn the_operator_tries_the_channels(setup: Setup) {
        let (hook, broken) = (Hook::opens().await, Hook::opens().await);
        let stage = setup.webhook(&hook).open().await;
        let said = stage.operator_reads(&["watch", "test"]).await;
        assert!(said.starts_with("ok     webhook http://127.0.0.1:") && said.contains("204 No Content"), "{said}");
        assert!(hook.calls()[0].is_signed());
        assert_eq!(hook.kinds(), ["watch.test"]);
        broken.answers(&[Reply::Status(403)]);
        let change = |setup: Setup| {
            let setup = setup.with("watch.webhooks.1.url", &broken.url()).with("watch.webhooks.1.secret", &Hook::secret());
            setup.with("watch.to", "grace@example.org").with("watch.relay", "primary")
        };
        let stage = stage.restarted_with(change).await;
        let ran = stage.operator(&["watch", "test"]).await;
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("failed webhook http://127.0.0.1:") && ran.out.contains("403 Forbidden: so it says"), "{}", ran.out);
        assert!(ran.out.contains("mail to grace@example.org: queued for relay primary"), "{}", ran.out);
        stage.deliver().await;
        assert_eq!(stage.newest("grace@example.org").subject(), "A test of the watch");
        let checked = stage.operator(&["check"]).await.out;
        assert!(checked.contains("mails grace@example.org over relay primary alone, the only one"), "{checked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_watches_by_itself() {
    let hook = Hook::opens().await;
    let setup = Setup::on(crate::stage::Backend::Sqlite).webhook(&hook);
    let stage = setup.with("server.listen", "127.0.0.1:0").open().await;
    stage.operator_reads(&["queue", "pause", "--relay", "primary"]).await;
    let service = stage.serves();
    hook.called(1).await;
    assert_eq!(hook.kinds(), ["relay.paused"]);
    assert_eq!(service.stop("TERM"), 0);
}

#[tokio::test]
async fn without_a_channel_the_test_says_what_to_name() {
    let stage = Stage::new().await;
    let ran = stage.operator(&["watch", "test"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("name [[watch.webhooks]] with url and secret"), "{}", ran.err);
    assert_eq!(stage.operator_reads(&["watch"]).await, "Nothing is amiss.\n");
    let json = stage.operator_reads_json(&["watch"]).await;
    assert_eq!(json["amiss"], serde_json::json!([]));
}
