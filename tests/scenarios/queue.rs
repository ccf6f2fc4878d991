//! The operator at night: what waits, why, trying again, pausing and resuming, with the real program.

use bellwether::clock::Clock;
use bellwether::delivering::Until;
use bellwether::store::{self, Db};

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn an_empty_queue_says_so(stage: Stage) {
        let said = stage.operator_reads(&["queue"]).await;
        assert!(said.contains("\nNothing waits.\n") && said.ends_with("\nRelays\n  primary  working\n"), "{said}");
        assert!(said.starts_with("No service runs: none was heard of since 2026-10-30 12:00:00 UTC."), "{said}");
        let queue = stage.operator_reads_json(&["queue"]).await;
        assert_eq!(queue["lanes"].as_array().unwrap().len(), 5);
        assert_eq!(queue["issues"], serde_json::json!([]));
    }

    async fn the_list_shows_what_waits_by_lane_and_issue_and_how_the_relay_stands(stage: Stage) {
        stage.imported_all(&["451-ada@example.org", "bob@example.org"]).await;
        stage.alert("Polls close at eight").sent().await;
        stage.relay.goes_down().await;
        stage.alert("Polls are closed").sent().await;
        stage.visitor().signs_up("eve@example.org").await;
        let said = stage.operator_reads(&["queue"]).await;
        let columns = |lane: &str| {
            let line = said.lines().find(|line| line.starts_with(lane)).unwrap_or_else(|| panic!("{lane} in {said}"));
            line.split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(columns("transactional"), ["transactional", "1", "0", "0"]);
        assert_eq!(columns("alert"), ["alert", "2", "0", "1"]);
        assert!(!said.contains("\ndigest"), "only lanes with mail: {said}");
        assert!(said.contains("alert   Polls close at eight: 1 deferred, 1 sent\n"), "{said}");
        assert!(said.contains("alert   Polls are closed: 2 queued\n"), "{said}");
        assert!(said.contains("  primary  rests since 2026-10-30 12:00:00 UTC: "), "{said}");
        let queue = stage.operator_reads_json(&["queue"]).await;
        assert_eq!(queue["lanes"][2]["deferred"], 1);
        assert_eq!(queue["lanes"][2]["oldest"], "2026-10-30T12:00:00Z");
        assert_eq!(queue["relays"][0]["trouble"]["paused"], false);
    }

    async fn a_stored_mail_that_cannot_be_read_is_told_like_every_try(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let id = stage.issue(issue).await.id;
        let spoil = "UPDATE variants SET fragments = 'spoilt' WHERE issue_id = $1";
        match &stage.cx.db {
            Db::Sqlite { write, .. } => drop(sqlx::query(spoil).bind(id).execute(write).await.unwrap()),
            Db::Postgres(pool) => drop(sqlx::query(spoil).bind(id).execute(pool).await.unwrap()),
        }
        stage.deliver().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        let told = stage.operator_reads_json(&["queue", "why", ADA]).await;
        assert_eq!((&told[0]["attempts"], &told[0]["tried"][0]["verdict"]), (&1.into(), &"broken".into()), "{told}");
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(said.contains("UTC  (no relay)  broken: "), "{said}");
    }

    async fn why_tells_every_try_with_the_answer_and_what_to_do(stage: Stage) {
        let who = "451-ada@example.org";
        stage.imported_all(&[who, "550-cy@example.org", "bob@example.org"]).await;
        stage.alert("Polls close at eight").sent().await;
        stage.advance(1.minutes()).await;
        let told = stage.operator_reads_json(&["queue", "why", who]).await;
        let [delivery] = told.as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!(delivery["tried"].as_array().unwrap().len(), 2, "{told}");
        assert_eq!(delivery["tried"][0]["verdict"], "transient");
        assert_eq!(delivery["lane"], "alert");

        let id = delivery["id"].to_string();
        let said = stage.operator_reads(&["queue", "why", &id]).await;
        let answer = "451 4.3.2 <451-ada@example.org> can't take mail now, try again later";
        for part in [
            &format!("Delivery {id} to {who}: deferred\n"),
            &format!("  last answer of relay primary: {answer}\n"),
            "  tries that were not accepted (2 attempts counted)\n    2026-10-30 12:00:00 UTC  primary  transient: 451 <451-",
            "  → No service runs: nothing is sent until `bellwether serve` is started.\n",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        let said = stage.operator_reads(&["queue", "why", "550-CY@example.org"]).await;
        assert!(said.contains(": bounced\n") && said.contains("primary  refused: 550 "), "{said}");
        let said = stage.operator_reads(&["queue", "why", "bob@example.org"]).await;
        assert!(said.contains(": sent\n") && !said.contains("tries that"), "{said}");
    }

    async fn why_finds_a_confirmation_to_somebody_who_is_no_reader_yet(stage: Stage) {
        stage.relay.goes_down().await;
        stage.visitor().signs_up(ADA).await;
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(said.contains(": queued\n") && said.contains("lane transactional"), "{said}");
        assert!(said.contains("→ Relay primary rests since "), "{said}");
        let unknown = stage.operator(&["queue", "why", "nobody@example.org"]).await;
        assert_eq!(unknown.code, 1);
        assert!(unknown.err.contains("there is no delivery to nobody@example.org"), "{}", unknown.err);
        assert_eq!(stage.operator(&["queue", "why", "999999"]).await.code, 1);
        assert_eq!(stage.operator(&["queue", "why", "no address"]).await.code, 2);
    }

    async fn what_is_deferred_can_be_tried_at_once(stage: Stage) {
        let (who, other) = ("451-2-ada@example.org", "451-2-bob@example.org");
        stage.imported_all(&[who, other]).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "2 deferred");
        let id = stage.operator_reads_json(&["queue", "why", who]).await[0]["id"].to_string();
        assert_eq!(stage.operator_reads(&["queue", "retry", "--delivery", &id]).await, "1 delivery is queued again.\n");
        stage.deliver().await;
        assert_eq!((stage.relay.asked_for(who), stage.relay.asked_for(other)), (2, 1));

        let issue_id = issue.to_string();
        for which in [&["--all"][..], &["--issue", &issue_id], &["--relay", "primary"]] {
            let all = stage.operator_reads_json(&[&["queue", "retry"], which].concat()).await;
            let deferred = stage.outcome(issue).await;
            assert!(!deferred.contains("deferred"), "{which:?}: {deferred}");
            assert!(all["queued"].as_u64().unwrap() <= 2);
            stage.deliver().await;
        }
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!(stage.operator_reads(&["queue", "retry", "--all"]).await, "Nothing was deferred.\n");
        let too_late = stage.operator(&["queue", "retry", "--delivery", &id]).await;
        assert_eq!(too_late.code, 1);
        assert!(too_late.err.contains(&format!("delivery {id} is sent")), "{}", too_late.err);
    }

    async fn a_paused_lane_waits_while_the_others_go_on_and_a_restart_changes_nothing(stage: Stage) {
        stage.imported(ADA).await;
        let pause = ["queue", "pause", "--lane", "alert", "--reason", "wait for the correction"];
        let said = stage.operator_reads(&pause).await;
        assert!(said.starts_with("The lane alert is paused by hand since "), "{said}");
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.visitor().signs_up("eve@example.org").await;
        assert_eq!(stage.outcome(issue).await, "1 queued");
        assert_eq!(stage.inbox("eve@example.org").len(), 1, "the lane before it goes on");
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA).len(), 1, "the digest behind it goes on");

        let stage = stage.restarted().await;
        stage.deliver().await;
        assert_eq!(stage.outcome(issue).await, "1 queued");
        let said = stage.operator_reads(&["queue"]).await;
        assert!(said.contains("Lane alert is paused by hand since ") && said.contains(": wait for the correction\n"), "{said}");
        assert!(stage.operator_reads(&["queue", "why", ADA]).await.contains("→ The lane alert is paused by hand"));
        assert!(stage.operator_reads(&["check"]).await.contains("warning  lane alert: paused by hand since "));

        assert_eq!(stage.operator_reads(&["queue", "resume", "--lane", "alert"]).await, "The lane alert goes on.\n");
        stage.settle().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.operator_reads(&["queue", "resume", "--lane", "alert"]).await, "The lane alert was not paused.\n");
    }

    async fn what_was_claimed_before_its_lane_was_paused_is_queued_again(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        stage.imported_all(&["ada@example.org", "bob@example.org", "cy@example.org"]).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        stage.engine.tend().await.unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let story = async {
            // Two are claimed ahead, the third when one of them is gone.
            while stage.outcome(issue).await != "2 sending, 1 sent" {
                tokio::task::yield_now().await;
            }
            stage.operator_reads(&["queue", "pause", "--lane", "alert"]).await;
            while stage.outcome(issue).await.contains("sending") {
                // The pause is heard before the rate lets another go.
                stage.engine.tend().await.unwrap();
                stage.cx.clock.advance(1.seconds());
                assert!(!stage.outcome(issue).await.contains("deferred"), "{}", stage.outcome(issue).await);
            }
            assert_eq!(stage.outcome(issue).await, "2 queued, 1 sent");
            stop.send(true).unwrap();
        };
        let (pumped, ()) = tokio::join!(stage.engine.pump(Until::Stopped(stopped)), story);
        pumped.unwrap();
    }

    async fn a_paused_relay_is_handed_no_mail(stage: Stage) {
        stage.imported(ADA).await;
        stage.operator_reads(&["queue", "pause", "--relay", "primary"]).await;
        stage.operator_reads(&["queue", "pause", "--relay", "primary", "--reason", "moving the account"]).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!((stage.outcome(issue).await.as_str(), stage.relay.asked_for(ADA)), ("1 queued", 0));
        let said = stage.operator_reads(&["queue"]).await;
        assert!(said.contains("  primary  paused by hand since ") && said.ends_with(": moving the account\n"), "{said}");
        stage.operator_reads(&["queue", "resume", "--relay", "primary"]).await;
        stage.deliver().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn where_one_relay_takes_no_mail_the_one_that_does_is_named(setup: Setup) {
        let stage = setup.with("relays.1.url", "smtp://127.0.0.1:1").with("relays.1.name", "backup").open().await;
        stage.imported(ADA).await;
        stage.operator_reads(&["queue", "pause", "--relay", "primary"]).await;
        stage.alert("Polls close at eight").queued().await;
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(said.contains("→ Relay primary is paused by hand") && said.contains("→ Relay backup takes mail: "), "{said}");
        stage.operator_reads(&["queue", "pause", "--relay", "backup"]).await;
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(!said.contains("takes mail"), "{said}");
    }

    async fn a_relay_whose_day_is_used_up_is_told_of_with_when_there_is_room(setup: Setup) {
        let stage = setup.with("relays.0.per_day", "3").open().await;
        stage.imported(ADA).await;
        stage.alert("Polls close at eight").queued().await;
        // The commands have the machine's clock.
        let hour = Clock::System.now().hour();
        let mut tx = stage.cx.db.begin().await.unwrap();
        store::relays::accepted(&mut tx, "primary", hour, 3).await.unwrap();
        tx.commit().await.unwrap();
        let used_up = "its day is used up (3 mails within 24 hours); there is room again at ";
        let said = stage.operator_reads(&["queue"]).await;
        assert!(said.contains(&format!("  primary  {used_up}")), "{said}");
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(said.contains(&format!("→ Relay primary: {used_up}")), "{said}");
        let said = stage.operator_reads(&["check"]).await;
        assert!(said.contains(&format!("warning  relay primary: {used_up}")), "{said}");
        let queue = stage.operator_reads_json(&["queue"]).await;
        assert_eq!(queue["relays"][0]["day_used_up"]["per_day"], 3);
    }

    async fn with_no_service_nothing_is_said_to_go_soon(setup: Setup) {
        // `check` asks there whether a service runs: on this machine one may, at the usual port.
        let stage = setup.with("server.listen", "127.0.0.1:1").open().await;
        // The commands have the machine's clock, and so has the heart of the service that ends here.
        stage.cx.clock.advance(Clock::System.now().since(stage.now()));
        stage.imported(ADA).await;
        stage.alert("Polls close at eight").queued().await;
        stage.engine.end().await.unwrap();
        let said = stage.operator_reads(&["queue"]).await;
        let nothing = "nothing is sent until `bellwether serve` is started";
        assert!(said.contains("No service runs") && said.contains(&nothing[1..]), "{said}");
        let said = stage.operator_reads(&["queue", "why", ADA]).await;
        assert!(said.contains(&format!("→ No service runs: {nothing}.")) && !said.contains("It goes as soon"), "{said}");
        let said = stage.operator_reads(&["check"]).await;
        assert!(said.contains(&format!("warning  mail: 1 queued; no service runs: {nothing}")), "{said}");
    }

    async fn a_relay_that_refuses_us_is_tried_at_once_when_it_is_resumed(stage: Stage) {
        let who = "relaying-denied-1-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.deliver().await;
        assert_eq!((stage.outcome(issue).await.as_str(), stage.relay.asked_for(who)), ("1 deferred", 1));
        let said = stage.operator_reads(&["queue", "why", who]).await;
        assert!(said.contains("`bellwether queue resume --relay primary` tries at once"), "{said}");
        let resume = ["queue", "resume", "--relay", "primary"];
        assert_eq!(stage.operator_reads(&resume).await, "The relay primary is tried at once.\n");
        stage.deliver().await;
        assert_eq!((stage.outcome(issue).await.as_str(), stage.relay.asked_for(who)), ("1 sent", 2));
        assert_eq!(stage.operator_reads(&resume).await, "The relay primary was not paused.\n");
    }

    async fn names_that_there_are_not_are_told_with_those_that_there_are(stage: Stage) {
        for arguments in [
            &["queue", "pause", "--relay", "backup"][..],
            &["queue", "resume", "--relay", "backup"],
            &["queue", "retry", "--relay", "backup"],
        ] {
            let refused = stage.operator(arguments).await;
            assert_eq!(refused.code, 2, "{arguments:?}");
            assert!(refused.err.contains("there is no relay \"backup\"; there are: primary"), "{}", refused.err);
        }
        let refused = stage.operator(&["queue", "pause", "--lane", "news"]).await;
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("transactional, correction, alert, digest, broadcast"), "{}", refused.err);
        let nobody = "0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10";
        assert_eq!(stage.operator(&["queue", "retry", "--issue", nobody]).await.code, 1);
        assert_eq!(stage.operator(&["queue", "retry", "--delivery", "999999"]).await.code, 1);
        for wrong in [&["queue", "retry"][..], &["queue", "pause"], &["queue", "retry", "--all", "--delivery", "1"]] {
            assert_eq!(stage.operator(wrong).await.code, 2, "{wrong:?}");
        }
    }

    async fn every_try_that_was_not_accepted_has_a_row_and_every_delivery_its_last_answer(stage: Stage) {
        let fates = [
            ("ada@example.org", "sent", &[][..]),
            ("451-1-ada@example.org", "sent", &["transient"]),
            ("421-1-ada@example.org", "sent", &["throttled"]),
            ("550-ada@example.org", "bounced", &["refused"]),
            ("552-ada@example.org", "bounced", &["refused"]),
            ("relaying-denied-1-ada@example.org", "sent", &["our-fault"]),
            ("disconnect-in-data-ada@example.org", "sent", &["broken"]),
            ("disconnect-after-data-ada@example.org", "sent", &["broken"]),
        ];
        stage.imported(ADA).await;
        stage.alert("Good evening").sent().await;
        stage.imported_all(&fates[1..].iter().map(|(who, ..)| *who).collect::<Vec<_>>()).await;
        stage.alert("Polls close at eight").sent().await;
        stage.live(10.minutes(), 10.seconds()).await;
        for (who, state, verdicts) in fates {
            let told = stage.operator_reads_json(&["queue", "why", who]).await;
            let tried: Vec<_> = told[0]["tried"].as_array().unwrap().iter().map(|tried| tried["verdict"].as_str().unwrap()).collect();
            assert_eq!((told[0]["state"].as_str().unwrap(), tried), (state, verdicts.to_vec()), "{who}: {told}");
            assert!(!told[0]["reply"].as_str().unwrap().is_empty(), "{who}");
        }
    }

    async fn who_is_called_off_keeps_the_last_answer(stage: Stage) {
        let who = "451-ada@example.org";
        stage.imported(who).await;
        stage.alert("Polls close at eight").expires_in(1.hour()).sent().await;
        stage.advance(2.hours()).await;
        let told = stage.operator_reads_json(&["queue", "why", who]).await;
        assert_eq!(told[0]["state"], "expired");
        assert!(told[0]["reply"].as_str().unwrap().starts_with("451 4.3.2 "), "{told}");
        assert_eq!(told[0]["relay"], "primary");
    }
}
