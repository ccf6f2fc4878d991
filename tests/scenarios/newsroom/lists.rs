//! Lists in and out: an import is looked at before it is done, an export runs nothing.

use crate::stage::{Colleague, Page, Stage, both};

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

async fn looks(olga: &mut Colleague<'_>, list: &str) -> Page {
    olga.uploads(IMPORT, &fields(&[]), Some(("file", "old \"list\".csv", list))).await
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
        olga.uploads(IMPORT, &go, None).await.says("<strong>1</strong></dt><dd>added");
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
        olga.uploads(IMPORT, &go, None).await.says("<strong>2</strong></dt><dd>added");
        let mut tx = stage.cx.db.read().await.unwrap();
        let rows = bellwether::store::subscribers::readers(&mut tx, 0, i64::MAX).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.alerts).collect::<Vec<_>>(), [false, true]);
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
