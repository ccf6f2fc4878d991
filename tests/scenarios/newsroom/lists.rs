//! Lists in and out: an import is looked at before it is done, an export runs nothing.

use std::io::Cursor;

use bellwether::audit::Actor;
use bellwether::domain::{role::Role, subscription::Digest};
use bellwether::subscribing::importing::{self, Begun, Defaults, Run};
use serde_json::{Value, json};

use crate::stage::{Colleague, Page, Span, Stage, both};

const IMPORT: &str = "/admin/subscribers/import";
const LIST: &str =
    "email,name\nada@example.org,Ada\nbob@example.org,Bob\nno address,Cy\nada@example.org,Ada again\n";

fn fields<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let all = [
        ("topic", "election-alerts"),
        ("digest", "weekly"),
        ("alerts", "1"),
        ("source", "double opt-in elsewhere"),
    ];
    [&all[..], more].concat()
}

/// The page of an import, once it is over.
async fn imported(olga: &mut Colleague<'_>, sent: &Page) -> Page {
    assert_eq!(sent.status, 303, "{}", sent.body);
    let path = sent.header("location").to_owned();
    let over = async {
        loop {
            let page = olga.opens(&path).await;
            if !page.body.contains("data-bar") {
                return page;
            }
        }
    };
    tokio::time::timeout(60.seconds(), over).await.expect("it is over")
}

async fn looks(olga: &mut Colleague<'_>, list: &str) -> Page {
    olga.uploads(IMPORT, &fields(&[]), Some(("file", "old \"list\".csv", list))).await
}

/// An import of this list that waits for its rows to be taken.
async fn begun(stage: &Stage, list: &str) -> Begun<Cursor<String>> {
    let topic = "election-alerts".parse().unwrap();
    let defaults =
        Defaults { topic, alerts: true, digest: Digest::None, source: Some("elsewhere".to_owned()) };
    let run = Run::For(Actor::user("olga@example.org", ""));
    importing::begin(&stage.cx, Cursor::new(list.to_owned()), None, &defaults, "list.csv", &run)
        .await
        .unwrap()
}

/// What the hidden field of a page holds.
fn hidden(page: &str, name: &str) -> String {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    let text = field.split('"').next().unwrap();
    text.replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

both! {
    async fn an_import_tells_what_would_come_of_it_before_it_does_anything(stage: Stage) {
        stage.imported("eve@example.org").await;
        stage.leaves("eve@example.org").await;
        let mut olga = stage.owner("olga").await;
        let before = stage.changes().await.len();
        let page = looks(&mut olga, &format!("{LIST}eve@example.org,Eve\n")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        for told in ["<strong>2</strong></dt><dd>would be added", "<strong>1</strong></dt><dd>left out", "line 4:", "passed over: name", "Import them: 2 new"] {
            page.says(told);
        }
        assert_eq!(stage.changes().await.len(), before, "nothing was done");
        olga.opens("/admin/subscribers").await.says("0 active");

        let rows = hidden(&page.body, "rows");
        let go = fields(&[("go", "1"), ("name", "old list.csv"), ("rows", &rows)]);
        let unsaid = olga.uploads(IMPORT, &go, None).await;
        assert_eq!(unsaid.status, 422);
        unsaid.says("Say that everybody in the file agreed");
        let page = olga.uploads(IMPORT, &[&go[..], &[("agreed", "1")]].concat(), None).await;
        let page = imported(&mut olga, &page).await;
        page.says("<strong>2</strong></dt><dd>added");
        olga.opens("/admin/subscribers").await.says("2 active");
        let changes = stage.changes().await;
        assert_eq!(
            changes[changes.len() - 2..],
            ["olga@example.org: import begun list old list.csv", "olga@example.org: imported list old list.csv"]
        );
        let ada = olga.opens("/admin/subscribers?q=ada").await;
        let link = ada.body.split("href=\"").find(|it| it.starts_with("/admin/subscribers/0")).unwrap();
        let ada = olga.opens(link.split('"').next().unwrap()).await;
        ada.says("source: double opt-in elsewhere");
        ada.says("alerts, weekly digest");
    }

    async fn who_left_or_bounced_elsewhere_does_not_become_a_reader_here(stage: Stage) {
        let list = "\"First Name\",\"Email Address\",\"Subscriber Status\"\n\
            Ada,ada@example.org,Subscribed\nBob,bob@example.org,Unsubscribed\nCy,cy@example.org,Hard-bounced\n\
            Dot,dot@example.org,Pending\nEve,eve@example.org,Blocklisted\nFay,fay@example.org,Moved away\n\
            Gil,gil@example.org,Subscribed\nGil,GIL@example.org,Unsubscribed\n";
        let mut olga = stage.owner("olga").await;
        let page = looks(&mut olga, list).await;
        for told in [
            "<strong>1</strong></dt><dd>would be added",
            "<strong>2</strong></dt><dd>left out: unsubscribed, by the list",
            "<strong>1</strong></dt><dd>left out: bounced, by the list",
            "<strong>1</strong></dt><dd>left out: never confirmed, by the list",
            "<strong>1</strong></dt><dd>left out: complained or blocked, by the list",
            "<strong>1</strong></dt><dd>left out: their state in the list is no word for active",
            "passed over: First Name",
        ] {
            page.says(told);
        }
        assert!(!page.body.contains("undeliverable before"), "{}", page.body);
        let rows = hidden(&page.body, "rows");
        let go = fields(&[("go", "1"), ("agreed", "1"), ("name", "l.csv"), ("rows", &rows), ("column", ""), ("column", "email"), ("column", "state")]);
        let page = olga.uploads(IMPORT, &go, None).await;
        imported(&mut olga, &page).await.says("<strong>1</strong></dt><dd>added");
        olga.opens("/admin/subscribers").await.says("1 active");
        olga.opens("/admin/subscribers?q=gil").await.says("Nobody");
    }

    async fn columns_are_mapped_by_hand_before_anything_is_done(stage: Stage) {
        let list = "Mail;Since;Wants\nada@example.org;2026-05-01 10:00:00;no\nbob@example.org;2026-05-02 10:00:00;yes\n";
        let mut olga = stage.owner("olga").await;
        let page = looks(&mut olga, list).await;
        assert_eq!(page.status, 422);
        page.says("names no column &quot;email&quot;");
        page.says("as in ada@example.org");
        let rows = hidden(&page.body, "rows");
        let said = |words: [&'static str; 3]| words.map(|word| ("column", word));
        let settings = fields(&[("name", "l.csv"), ("rows", &rows)]);
        let twice = olga.uploads(IMPORT, &[&settings[..], &said(["email", "email", ""])].concat(), None).await;
        twice.says("names the column &quot;email&quot; twice");
        let mapped = [&settings[..], &said(["email", "confirmed_at", "alerts"])].concat();
        let page = olga.uploads(IMPORT, &mapped, None).await;
        page.says("<strong>2</strong></dt><dd>would be added");
        page.says("<input type=\"hidden\" name=\"column\" value=\"confirmed_at\">");
        olga.opens("/admin/subscribers").await.says("0 active");
        let go = [&mapped[..], &[("go", "1"), ("agreed", "1")]].concat();
        let page = olga.uploads(IMPORT, &go, None).await;
        imported(&mut olga, &page).await.says("<strong>2</strong></dt><dd>added");
        let mut tx = stage.cx.db.read().await.unwrap();
        let rows = bellwether::store::subscribers::readers(&mut tx, 0, i64::MAX).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.alerts).collect::<Vec<_>>(), [false, true]);
    }

    async fn an_import_tells_how_far_it_is_and_how_long_the_rest_takes(stage: Stage) {
        let mut olga = stage.owner("olga").await;
        let office = stage.program("office", Role::Owner).await;
        let rows: String = (0..4_500).map(|n| format!("reader{n}@example.org\n")).collect();
        let begun = begun(&stage, &format!("email\n{rows}reader0@example.org\nno address\n")).await;
        let path = format!("{IMPORT}/{}", begun.id);
        let page = olga.opens(&path).await;
        page.says("<progress max=\"100\" value=\"0\"");
        page.says("0 % of 4,502 rows<");
        page.says("<meta http-equiv=\"refresh\"");
        olga.opens(IMPORT).await.says(&format!("href=\"{path}\">list.csv"));
        let (finishing, watching) = (begun.finish(&stage.cx), async {
            let mut seen = Vec::<Value>::new();
            loop {
                let import = office.gets("/subscribers/imports").await.is(200)["imports"][0].clone();
                // Each thousand rows take a second, however often it is looked at meanwhile.
                if seen.last().is_none_or(|last| last["rows_done"] != import["rows_done"]) {
                    stage.cx.clock.advance(1.seconds());
                }
                let over = import["state"] != "running";
                seen.push(import);
                if over {
                    return seen;
                }
            }
        });
        let (report, seen) = tokio::join!(finishing, watching);
        assert_eq!(report.unwrap().tally.added, 4_500);
        let percents: Vec<_> = seen.iter().map(|it| it["percent"].as_i64().unwrap()).collect();
        assert!(percents.is_sorted() && percents.iter().any(|it| (1..100).contains(it)), "{percents:?}");
        let tells = |it: &Value| it["state"] == "running" && it["percent"].as_i64() > Some(0) && it["left"].as_u64() > Some(0);
        assert!(seen.iter().any(tells), "{seen:?}");
        let last = seen.last().unwrap();
        assert_eq!((&last["state"], &last["percent"], &last["left"]), (&json!("done"), &json!(100), &json!(null)));
        assert_eq!(last["report"], json!({ "added": 4_500, "known": 0, "left_out": 0, "duplicates": 1, "bad": 1 }));
        let page = olga.opens(&path).await;
        page.says("<strong>4,500</strong></dt><dd>added");
        page.says("line 4503:");
        assert!(!page.body.contains("http-equiv"), "there is nothing to wait for");
        stage.editor("grace").await.opens(&path).await.says("You may not do this");
        office.gets("/subscribers/imports?limit=0").await.fails(400, "");
    }

    async fn an_import_whose_service_ended_in_the_middle_says_so(stage: Stage) {
        let mut olga = stage.owner("olga").await;
        let begun = begun(&stage, LIST).await;
        let path = format!("{IMPORT}/{}", begun.id);
        stage.cx.clock.advance(121.seconds());
        let page = olga.opens(&path).await;
        page.says("It broke off: 0 % of 4 rows. Who was taken stays.");
        assert!(!page.body.contains("data-bar"), "{}", page.body);
        olga.opens(IMPORT).await.says("broke off at 0 %");
        let office = stage.program("office", Role::Owner).await;
        assert_eq!(office.gets("/subscribers/imports").await.is(200)["imports"][0]["state"], "broken-off");
        stage.cx.clock.advance(31.days());
        bellwether::publishing::keep_house(&stage.cx).await.unwrap();
        assert_eq!(office.gets("/subscribers/imports").await.is(200)["imports"], json!([]));
    }

    async fn a_list_that_cannot_be_read_says_what_to_do(stage: Stage) {
        let mut olga = stage.owner("olga").await;
        let page = looks(&mut olga, "name,phone\nAda,1\n").await;
        assert_eq!(page.status, 422);
        page.says("names no column &quot;email&quot;");
        let page = olga.uploads(IMPORT, &fields(&[]), None).await;
        page.says("Choose a CSV file");
        let page = olga.uploads(IMPORT, &[("topic", "election-alerts")], Some(("file", "a.csv", LIST))).await;
        page.says("Say where these people agreed");
        let huge = format!("email\n{}", "ada@example.org\n".repeat(1_100_000));
        let page = looks(&mut olga, &huge).await;
        assert_eq!(page.status, 422);
        page.says("larger than 16 MB");
    }

    async fn only_an_owner_takes_lists_in_and_out(stage: Stage) {
        let mut grace = stage.editor("grace").await;
        assert_eq!(grace.opens(IMPORT).await.status, 403);
        assert_eq!(grace.sends("/admin/account", "/admin/subscribers/export", "").await.status, 403);
        let page = grace.opens("/admin/subscribers").await;
        assert!(!page.body.contains("Lists in and out"), "{}", page.body);
    }

    async fn an_export_has_everybody_runs_nothing_and_is_written_down(stage: Stage) {
        stage.imported_all(&["ada@example.org", "=1+1@example.org"]).await;
        stage.leaves("ada@example.org").await;
        let mut olga = stage.owner("olga").await;
        let page = olga.sends("/admin/subscribers", "/admin/subscribers/export", "").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-disposition"), "attachment; filename=\"readers-2026-10-30.csv\"");
        let lines: Vec<_> = page.body.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "email,state,topics,alerts,digest,confirmed_at");
        assert!(lines[1].starts_with("ada@example.org,unsubscribed,election-alerts,true,daily,2026-"), "{}", lines[1]);
        assert!(lines[2].starts_with("'=1+1@example.org,active,"), "{}", lines[2]);
        assert_eq!(stage.changes().await.last().unwrap(), "olga@example.org: exported readers all");
    }
}
