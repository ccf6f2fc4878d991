//! Alerts: who gets them, when they are too late, and how they are stopped.

use bellwether::domain::issue::Level;
use bellwether::publishing::{self, Cancelled};
use bellwether::store;

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

both! {
    async fn an_alert_goes_to_the_readers_of_its_topics_with_alerts_on(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").topic("state:ga", "Georgia").open().await;
        stage.reader_of(ADA, "topics=election-alerts&topics=foreign-policy").await;
        stage.reader_of(EVE, "topics=foreign-policy&alerts=false").await;
        stage.reader_of("kim@example.org", "topics=state%3Aga").await;

        let alert = stage.alert("At home and abroad").on(&["election-alerts", "foreign-policy"]);
        let published = alert.accepted().await;
        assert_eq!(published.audience, 1);
        stage.settle().await;
        assert_eq!(stage.outcome(published.id).await, "1 sent");
        assert_eq!(stage.issue(published.id).await.audience, 1);
        assert_eq!(stage.subjects(ADA), ["At home and abroad"], "once, though on two topics");
        assert!(stage.subjects(EVE).is_empty());
        assert!(stage.subjects("kim@example.org").is_empty());
    }

    async fn only_a_critical_alert_goes_to_every_confirmed_reader_of_its_topics(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").open().await;
        stage.reader_of(ADA, "topics=election-alerts&alerts=false").await;
        stage.reader_of(EVE, "topics=foreign-policy&alerts=false").await;
        stage.visitor().signs_up("pending@example.org").await;
        for (level, audience) in [(Level::All, 0), (Level::Major, 0), (Level::Critical, 1)] {
            let published = stage.alert(&format!("A {level} alert")).level(level).accepted().await;
            assert_eq!(published.audience, audience, "{level}");
            stage.settle().await;
        }
        assert_eq!(stage.subjects(ADA), ["A critical alert"]);
        assert!(stage.subjects(EVE).is_empty());
        stage.newest(ADA).text().lines().find(|line| line.contains("critical alerts go to everyone")).unwrap();
    }

    async fn in_test_mode_nobody_is_reached_but_the_test_addresses(setup: Setup) {
        let setup = setup.with("sender.test_addresses.0", ADA);
        let stage = setup.open().await;
        stage.imported_all(&["Ada@example.org", EVE]).await;
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "true")).await;
        let published = stage.alert("Is this on?").accepted().await;
        stage.visitor().signs_up("kim@example.org").await;
        stage.advance(1.day()).await;
        assert_eq!(stage.outcome(published.id).await, "1 cancelled, 1 sent");
        assert_eq!(stage.subjects("Ada@example.org"), ["Is this on?"]);
        assert!(stage.inbox(EVE).is_empty() && stage.inbox("kim@example.org").is_empty());
        let why = stage.operator_reads(&["queue", "why", EVE]).await;
        assert!(why.contains("in test mode only"), "{why}");
    }

    async fn an_alert_to_nobody_is_accepted_and_ends(stage: Stage) {
        let published = stage.alert("Is anybody there?").accepted().await;
        assert_eq!(published.audience, 0);
        stage.settle().await;
        assert_eq!(stage.issue(published.id).await.state.to_string(), "sent");
    }

    async fn who_confirms_after_an_alert_was_published_does_not_get_it(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let published = stage.alert("Polls close at eight").accepted().await;
        stage.press(&stage.newest(ADA).link("confirm")).await;
        assert_eq!(stage.outcome(published.id).await, "");
    }

    async fn confirmations_overtake_alerts_and_critical_ones_the_others(setup: Setup) {
        let stage = setup.with("relays.0.connections", "1").open().await;
        stage.reader(ADA).await;
        stage.mailbox.clear();
        stage.alert("For all").queued().await;
        stage.alert("Major").level(Level::Major).queued().await;
        stage.alert("Critical").level(Level::Critical).queued().await;
        stage.visitor().signs_up(EVE).await;
        let order: Vec<_> = stage.mailbox.messages().iter().map(|mail| mail.to[0].clone()).collect();
        assert_eq!(order, [EVE, ADA, ADA, ADA]);
        assert_eq!(stage.subjects(ADA), ["Critical", "Major", "For all"]);
    }

    async fn an_expired_alert_is_not_sent_late_but_stands_in_the_next_digest(stage: Stage) {
        stage.reader(ADA).await;
        stage.reader_of(EVE, "digest=none").await;
        let late = stage.alert("Rain until noon").expires_in(1.hour()).accepted().await;
        stage.cx.clock.advance(1.hour());
        stage.settle().await;
        assert_eq!(stage.outcome(late.id).await, "2 expired");
        assert!(stage.subjects(ADA).is_empty());

        stage.live(2.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Rain until noon"]);
        let text = stage.newest(ADA).text();
        assert!(text.contains("Rain until noon: what we know."), "{text}");
        assert!(text.contains("https://site.example.org/live/"), "{text}");
        assert!(stage.subjects(EVE).is_empty(), "counted as expired");
        assert_eq!(stage.outcome(late.id).await, "2 expired");
    }

    async fn who_begins_with_digests_is_not_told_of_what_was_missed_before(stage: Stage) {
        stage.reader_of(ADA, "digest=none").await;
        stage.alert("Hello").sent().await;
        stage.alert("Rain until noon").expires_in(1.hour()).accepted().await;
        stage.cx.clock.advance(1.hour());
        stage.settle().await;
        stage.advance(9.days()).await;
        stage.fills_in(&stage.newest(ADA).link("preferences"), "alerts=true&digest=daily").await;
        stage.pushes("a", "The count begins", false).await;
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Hello", "The count begins"]);
        assert!(!stage.newest(ADA).text().contains("Rain"));
    }

    async fn an_alert_that_expires_while_it_waits_at_the_relay_is_not_sent_late(stage: Stage) {
        stage.imported("451-1-ada@example.org").await;
        let issue = stage.alert("Rain until noon").expires_in(20.seconds()).sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 expired");
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.subjects("451-1-ada@example.org"), ["Rain until noon"]);
        assert!(stage.newest("451-1-ada@example.org").text().contains("Daily digest"));
    }

    async fn a_cancelled_alert_reaches_nobody_more(stage: Stage) {
        stage.reader(ADA).await;
        stage.imported("451-1-eve@example.org").await;
        let issue = stage.alert("Results are in").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred, 1 sent");
        assert_eq!(stage.cancels(issue).await, Cancelled::Now { waiting: 1 });
        assert_eq!(stage.cancels(issue).await, Cancelled::Already);
        stage.advance(1.hour()).await;
        assert_eq!(stage.outcome(issue).await, "1 cancelled, 1 sent");
        assert_eq!(stage.issue(issue).await.state.to_string(), "cancelled");
        assert_eq!(stage.inbox("451-1-eve@example.org").len(), 0);
    }

    async fn what_waits_of_a_cancelled_alert_is_called_off_also_when_that_was_cut_short(stage: Stage) {
        stage.imported_all(&[ADA, "bob@example.org", "eve@example.org"]).await;
        let issue = stage.alert("Results are in").queued().await;
        assert_eq!(stage.cancels(issue).await, Cancelled::Now { waiting: 3 });
        assert_eq!(stage.issue(issue).await.state.to_string(), "cancelled", "before anything else");
        let id = stage.issue(issue).await.id;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let minute_ago = stage.now().minus(1.minutes());
        assert_eq!(store::issues::cancelled_since(&mut tx, minute_ago).await.unwrap(), [issue]);
        assert_eq!(store::deliveries::cancel_some(&mut tx, id, 2, stage.now()).await.unwrap(), 2);
        tx.commit().await.unwrap();
        let stage = stage.restarted().await;
        assert_eq!(stage.outcome(issue).await, "2 cancelled, 1 queued");
        assert_eq!(publishing::call_off(&stage.cx).await.unwrap(), 1);
        assert_eq!(stage.outcome(issue).await, "3 cancelled");
        assert_eq!(publishing::call_off(&stage.cx).await.unwrap(), 0);
        stage.settle().await;
        assert_eq!(stage.mailbox.len(), 0);
    }

    async fn an_alert_that_is_cancelled_before_its_fan_out_reaches_nobody(stage: Stage) {
        stage.reader(ADA).await;
        let published = stage.alert("Results are in").accepted().await;
        assert_eq!(stage.cancels(published.id).await, Cancelled::Now { waiting: 0 });
        stage.settle().await;
        assert_eq!(stage.outcome(published.id).await, "");
        let done = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.cancels(done).await, Cancelled::TooLate);
        assert_eq!(stage.cancels(uuid::Uuid::from_u128(1)).await, Cancelled::Unknown);
    }

    async fn a_post_that_cannot_be_made_into_a_mail_holds_up_no_other_and_the_operator_is_told(setup: Setup) {
        let folder = setup.folder().join("templates/alert");
        std::fs::create_dir_all(&folder).unwrap();
        let template = "{{ title }}{% if title == \"Bad\" %}{{ title.of.nothing }}{% endif %}
            {{ unsubscribe_url }} {{ postal_address | join(sep=' ') }}";
        std::fs::write(folder.join("body.txt"), template).unwrap();
        let templates = setup.folder().join("templates").display().to_string();
        let stage = setup.with("mail.templates", &templates).with("sender.operator", "operator@example.org").open().await;
        stage.reader(ADA).await;
        stage.pushes("a", "Bad", true).await;
        stage.pushes("b", "Good", true).await;
        stage.settle().await;
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["Good"]);
        let notices = stage.inbox("operator@example.org");
        let [notice] = notices.as_slice() else { panic!("{} notices", notices.len()) };
        assert!(notice.text().contains("\"Bad\"") && notice.text().contains("alert/body.txt"), "{}", notice.text());
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Good", "Bad and 1 more"]);
    }

    async fn an_alert_does_not_wait_for_a_long_digest(stage: Stage) {
        let readers: Vec<_> = (0..600).map(|n| format!("reader-{n}@example.org")).collect();
        stage.imported_all(&readers).await;
        stage.pushes("a", "The count begins", false).await;
        stage.cx.clock.advance(19.hours());
        assert_eq!(publishing::run_due_schedules(&stage.cx).await.unwrap(), 1);
        assert!(publishing::publish_next(&stage.cx).await.unwrap());
        stage.pushes("b", "Results are in", true).await;
        assert!(publishing::publish_next(&stage.cx).await.unwrap());
        let mut tx = stage.cx.db.read().await.unwrap();
        let issues = store::issues::page(&mut tx, None, i64::MAX, 2).await.unwrap();
        drop(tx);
        let [alert, digest] = issues.as_slice() else { panic!("{issues:?}") };
        assert_eq!(stage.outcome(alert.public_id).await, "500 queued");
        assert_eq!(stage.outcome(digest.public_id).await, "500 queued");
    }

    async fn an_alert_about_a_post_has_its_title_summary_and_link(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", true).await;
        stage.settle().await;
        let mail = stage.newest(ADA);
        assert_eq!(mail.subject(), "The count begins");
        let text = mail.text();
        assert!(text.contains("In short: The count begins."), "{text}");
        assert!(text.contains("\nhttps://site.example.org/a/\n"), "{text}");
    }

    async fn a_pushed_post_is_alerted_once_and_never_when_it_is_old(stage: Stage) {
        stage.reader(ADA).await;
        let first = stage.pushes("a", "The count begins", true).await;
        stage.settle().await;
        let again = stage.pushes("a", "The count has begun", true).await;
        assert_eq!((first.new, again.new, first.id), (true, false, again.id));
        stage.settle().await;
        let mut old = bellwether::domain::post::PostDraft {
            guid: "b".to_owned(),
            title: "From the archive".to_owned(),
            published_at: Some(stage.now().minus(1.day() + 1.seconds())),
            ..Default::default()
        };
        stage.pushes_draft(old.clone(), "election-alerts", true).await;
        old.guid = "c".to_owned();
        old.title = "Nearly from the archive".to_owned();
        old.published_at = Some(stage.now().minus(1.day()));
        stage.pushes_draft(old, "election-alerts", true).await;
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["The count begins", "Nearly from the archive"]);
    }

    async fn a_post_without_a_summary_is_alerted_with_its_text(stage: Stage) {
        stage.reader(ADA).await;
        let draft = bellwether::domain::post::PostDraft {
            guid: "a".to_owned(),
            title: "The count begins".to_owned(),
            html: "<p>Doors opened at six.</p><p>Two hundred came.</p>".to_owned(),
            ..Default::default()
        };
        stage.pushes_draft(draft, "election-alerts", true).await;
        stage.settle().await;
        let text = stage.newest(ADA).text();
        assert!(text.contains("Doors opened at six.\n\nTwo hundred came."), "{text}");
    }

    async fn a_dry_run_shows_the_mail_and_the_audience_and_sends_nothing(stage: Stage) {
        stage.reader(ADA).await;
        let preview = stage.alert("Polls close at eight").previewed().await;
        assert_eq!((preview.audience, preview.draft.subject.as_str()), (1, "Polls close at eight"));
        stage.settle().await;
        assert!(stage.subjects(ADA).is_empty() && stage.issues().await.is_empty());
    }

    async fn a_test_goes_to_one_address_and_is_marked(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").tested("editor@example.org").await;
        stage.settle().await;
        let mail = stage.newest("editor@example.org");
        assert_eq!(mail.subject(), "[Test] Polls close at eight");
        for part in [mail.text(), mail.html()] {
            assert!(part.contains("a test to a test address") && !part.contains("/unsubscribe/"), "{part}");
        }
        assert_eq!(mail.header("List-Unsubscribe"), None, "no reader of ours");
        assert!(stage.subjects(ADA).is_empty());
        assert!(stage.issues().await.is_empty());
    }

    async fn an_idempotency_key_publishes_once(stage: Stage) {
        stage.reader(ADA).await;
        let token = stage.token().await;
        let first = stage.alert("Polls close at eight").accepted_once(token, "key-1").await;
        assert!(first.is_some());
        assert_eq!(stage.alert("Polls close at eight").accepted_once(token, "key-1").await, None);
        assert!(stage.alert("Polls are closed").accepted_once(token, "key-2").await.is_some());
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "Polls are closed"]);
        stage.advance(30.days()).await;
        assert!(stage.alert("Next month").accepted_once(token, "key-1").await.is_some(), "forgotten by then");
    }

    async fn scripts_in_an_alert_are_taken_out(stage: Stage) {
        stage.reader(ADA).await;
        let mut draft = bellwether::domain::post::PostDraft {
            guid: "a".to_owned(),
            title: "Subject\r\nBcc: eve@example.org".to_owned(),
            html: "<p onclick=\"x()\">Fine</p><script>alert(1)</script>".to_owned(),
            ..Default::default()
        };
        draft.url = Some("javascript:alert(1)".to_owned());
        stage.pushes_draft(draft, "election-alerts", true).await;
        stage.settle().await;
        let mail = stage.newest(ADA);
        assert_eq!(mail.subject(), "Subject Bcc: eve@example.org");
        assert_eq!(mail.header("Bcc"), None);
        for bad in ["alert(1)", "onclick", "<script"] {
            assert!(!mail.html().contains(bad) && !mail.text().contains(bad), "{bad}");
        }
        assert!(mail.text().contains("Fine"));
    }
}
