//! What was published, as the newsroom's pages tell it: the outcome, the recipients, the mail, and trying again.

use bellwether::domain::time::Timestamp;
use bellwether::store::{self, deliveries::Settled};
use uuid::Uuid;

use crate::stage::{Span, Stage, both};

const PUT_OFF: &str = "451-2-ada@example.org";

/// The first link of a page that begins so.
fn link(page: &str, start: &str) -> String {
    let found = page.split("href=\"").find(|it| it.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {page}")).split('"').next().unwrap().replace("&amp;", "&")
}

/// Gives up what is put off of an issue, as five days do.
async fn give_up(stage: &Stage, issue: Uuid) {
    let node = stage.cx.entropy.uuid(stage.now());
    stage.relay.goes_down().await;
    stage.cx.clock.advance(6.days());
    stage.engine.tend().await.unwrap();
    let mut tx = stage.cx.db.begin().await.unwrap();
    store::nodes::beat(&mut tx, node, stage.now()).await.unwrap();
    let claimed = store::claims::claim(&mut tx, node, 10, store::claims::ALL_PRIORITIES, Default::default())
        .await
        .unwrap();
    let given_up = claimed.iter().map(|delivery| Settled {
        id: delivery.id,
        state: bellwether::domain::delivery::State::Failed,
        tried: 1,
        retry_at: None,
        ended_at: Some(stage.now().as_micros()),
        relay: None,
        reply_code: None,
        reply_enhanced: None,
        reply_text: None,
    });
    store::deliveries::settle(&mut tx, node, &given_up.collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    stage.engine.tend().await.unwrap();
    assert_eq!(stage.outcome(issue).await, "1 failed");
}

both! {
    async fn issues_are_kept_to_a_state_from_page_to_page(stage: Stage) {
        let mut mary = stage.viewer("mary").await;
        stage.imported("ada@example.org").await;
        for number in 0..30 {
            stage.alert(&format!("Alert number {number}.")).sent().await;
        }
        let stopped = stage.alert("Alert that was wrong").queued().await;
        stage.cancels(stopped).await;
        let page = mary.opens("/admin/issues?state=cancelled").await;
        page.says("Alert that was wrong");
        assert!(!page.body.contains("Alert number") && page.body.contains(">when 0 readers had it<"), "{}", page.body);
        let page = mary.opens("/admin/issues?state=sent").await;
        assert!(!page.body.contains("Alert that was wrong") && !page.body.contains("number 3."));
        let older = mary.opens(&link(&page.body, "/admin/issues?before=")).await;
        older.says("Alert number 3.");
        assert!(link(&older.body, "/admin/issues?state=sent").ends_with("sent"));
        mary.opens("/admin/issues?state=held").await.says("None is in this state");
    }

    async fn the_newest_issue_stands_first_with_its_outcome(stage: Stage) {
        let mut mary = stage.viewer("mary").await;
        mary.opens("/admin/issues").await.says("Nothing has been published yet");
        stage.imported_all(&["ada@example.org", "550-bob@example.org", PUT_OFF]).await;
        stage.alert("Polls close at eight").sent().await;
        stage.alert("Polls are closed <at last>").queued().await;
        let page = mary.opens("/admin/issues").await;
        let (first, second) = page.body.split_once("Polls close at eight").unwrap();
        assert!(first.contains("Polls are closed &lt;at last&gt;"), "{first}");
        assert!(first.contains("<b>2</b> waiting"), "{first}");
        assert!(second.contains("alert, all"), "{second}");
        assert!(second.contains("<b>1</b> accepted") && second.contains("<b>1</b> bounced"), "{second}");
        assert!(!page.body.contains(">Older<"));
    }

    async fn many_issues_are_read_page_by_page(stage: Stage) {
        for number in 0..27 {
            stage.alert(&format!("Count {number} of 27")).accepted().await;
        }
        let mut mary = stage.viewer("mary").await;
        let first = mary.opens("/admin/issues").await;
        first.says("Count 26 of 27");
        assert!(!first.body.contains("Count 1 of 27"));
        let second = mary.opens(&link(&first.body, "/admin/issues?before=")).await;
        second.says("Count 1 of 27");
        second.says("Count 0 of 27");
        assert!(!second.body.contains(">Older<"));
    }

    async fn an_issues_page_tells_who_got_it_and_what_the_servers_said(stage: Stage) {
        stage.imported_all(&["ada@example.org", "550-bob@example.com", PUT_OFF]).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let path = format!("/admin/issues/{issue}");
        let page = mary.opens(&path).await;
        page.says("Accepted over time: 1 of 3");
        page.says("550 5.1.1");
        page.says("451 4.3.2");
        page.says("<strong>example.com</strong>");
        page.says("<strong>primary</strong>");
        page.says("Election alerts");
        assert!(!page.body.contains("Try 1 mail again now"), "a viewer changes nothing");
        let bounced = mary.opens(&format!("{path}?state=bounced")).await;
        bounced.says("550-bob@example.com");
        assert!(!bounced.body.contains("ada@example.org"));
        let none = mary.opens(&format!("{path}?state=failed")).await;
        none.says("Nobody in this state");
        assert_eq!(mary.opens("/admin/issues/7").await.status, 404);
        assert_eq!(mary.opens(&format!("/admin/issues/{}", Uuid::nil())).await.status, 404);
    }

    async fn recipients_are_read_page_by_page(stage: Stage) {
        let readers: Vec<_> = (0..60).map(|number| format!("reader-{number}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let first = mary.opens(&format!("/admin/issues/{issue}?state=sent")).await;
        assert!(first.body.contains("reader-49@") && !first.body.contains("reader-50@"));
        let second = mary.opens(&link(&first.body, &format!("/admin/issues/{issue}?after="))).await;
        assert!(second.body.contains("reader-59@") && !second.body.contains("reader-49@"));
        second.says(">From the first<");
        assert!(!second.body.contains(">More<"));
    }

    async fn what_was_put_off_is_tried_again_at_once_and_written_down(stage: Stage) {
        stage.imported(PUT_OFF).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let mut grace = stage.editor("grace").await;
        let path = format!("/admin/issues/{issue}");
        grace.opens(&path).await.says("Try 1 mail again now");
        let page = grace.sends(&path, &format!("{path}/retry"), "").await;
        assert_eq!(page.header("location"), format!("{path}?done=retried"));
        stage.deliver().await;
        assert_eq!(stage.relay.asked_for(PUT_OFF), 2);

        let delivery = link(&grace.opens(&path).await.body, "/admin/deliveries/");
        let page = grace.opens(&delivery).await;
        page.says("451 4.3.2");
        page.says("It is tried again at");
        assert!(!page.body.contains("bellwether queue"), "the page has a button for it");
        grace.sends(&delivery, &format!("{delivery}/retry"), "").await;
        stage.deliver().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        grace.opens(&delivery).await.says("The relay has it");
        assert_eq!(grace.sends("/admin/account", &format!("{delivery}/retry"), "").await.status, 409);
        let said = grace.sends("/admin/account", &format!("{path}/retry"), "").await;
        assert_eq!(said.header("location"), format!("{path}?done=nothing-to-retry"));
        let changes = stage.changes().await;
        let number = delivery.rsplit('/').next().unwrap();
        assert_eq!(
            changes[changes.len() - 2..],
            [
                format!("grace@example.org: tried again issue {issue}"),
                format!("grace@example.org: tried again delivery {number}"),
            ]
        );
    }

    async fn what_was_given_up_gets_one_more_try_and_the_issue_goes_on_until_then(stage: Stage) {
        stage.imported(PUT_OFF).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        give_up(&stage, issue).await;
        assert_eq!(stage.issue(issue).await.state.to_string(), "sent");
        let mut grace = stage.editor("grace").await;
        let path = format!("/admin/issues/{issue}");
        grace.sends(&path, &format!("{path}/retry"), "").await;
        assert_eq!(stage.issue(issue).await.state.to_string(), "sending");
        stage.relay.comes_back().await;
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 failed", "it was turned away once more, and its days are over");
        grace.sends(&path, &format!("{path}/retry"), "").await;
        stage.deliver().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.issue(issue).await.state.to_string(), "sent");
    }

    async fn what_an_issue_said_stands_in_a_frame_that_runs_nothing(stage: Stage) {
        stage.imported("ada@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens(&format!("/admin/issues/{issue}/mail")).await;
        page.says("what we know");
        page.says("<iframe class=\"mail\" title=\"The HTML of the mail\" sandbox srcdoc=\"&lt;!");
        assert!(!page.body.contains("ada@example.org"), "it shows nobody's links");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    }

    async fn of_an_old_issue_the_numbers_stay(stage: Stage) {
        stage.imported("ada@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.cx.clock.advance(91.days());
        bellwether::publishing::keep_house(&stage.cx).await.unwrap();
        let mut grace = stage.editor("grace").await;
        let page = grace.opens(&format!("/admin/issues/{issue}")).await;
        page.says("<b>1</b> accepted");
        page.says("only the numbers are kept");
        grace.opens(&format!("/admin/issues/{issue}/mail")).await.says("no longer kept");
    }

    async fn the_curve_ends_where_nearly_all_had_it(stage: Stage) {
        let mut readers: Vec<_> = (0..200).map(|number| format!("reader-{number}@example.org")).collect();
        readers.push("451-ada@example.org".to_owned());
        stage.imported_all(&readers).await;
        let id = stage.alert("Polls close at eight").sent().await;
        stage.cx.clock.advance(1.hour());
        let issue = stage.issue(id).await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let late = store::deliveries::page(&mut tx, issue.id, None, 0, 1_000).await.unwrap().pop().unwrap();
        assert_eq!(late.address, "451-ada@example.org");
        let node = stage.cx.entropy.uuid(stage.now());
        store::nodes::beat(&mut tx, node, stage.now()).await.unwrap();
        store::queue::retry(&mut tx, late.id).await.unwrap();
        store::claims::claim(&mut tx, node, 10, store::claims::ALL_PRIORITIES, Default::default()).await.unwrap();
        let sent = Settled {
            id: late.id,
            state: bellwether::domain::delivery::State::Sent,
            tried: 1,
            retry_at: None,
            ended_at: Some(stage.now().as_micros()),
            relay: Some("primary".to_owned()),
            reply_code: Some(250),
            reply_enhanced: None,
            reply_text: Some("ok".to_owned()),
        };
        store::deliveries::settle(&mut tx, node, &[sent]).await.unwrap();
        let curve = bellwether::publishing::progress::acceptance(&mut tx, &issue).await.unwrap().unwrap();
        assert_eq!((curve.accepted, curve.points.last().unwrap().1), (201, 200));
        assert!(curve.until.since(curve.from) < 1.minutes(), "{curve:?}");
        assert_eq!(curve.last, stage.now());
        assert!(curve.from > Timestamp::from_micros(0));
    }
}
