//! Readers as the newsroom sees them: found, told about, ended, erased.

use bellwether::domain::issue::Level;
use bellwether::store::{self, subscribers::Subscriber};

use crate::stage::{Colleague, Span, Stage, both};

const ADA: &str = "ada@example.org";

async fn found(stage: &Stage, address: &str) -> Subscriber {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::subscribers::by_key(&mut tx, address).await.unwrap().unwrap()
}

async fn path(stage: &Stage, address: &str) -> String {
    format!("/admin/subscribers/{}", found(stage, address).await.public_id)
}

/// What the page answers to "why did they get it, or not?".
async fn why(who: &mut Colleague<'_>, path: &str, issue: uuid::Uuid) -> String {
    let page = who.opens(&format!("{path}?issue={issue}")).await.body;
    let answer = page.split("<div class=\"answer\"").nth(1).unwrap_or_else(|| panic!("no answer in {page}"));
    answer.split("</div>").next().unwrap().to_owned()
}

both! {
    async fn readers_are_found_by_a_part_of_their_address_and_by_their_name_in_logs(stage: Stage) {
        let mut mary = stage.viewer("mary").await;
        mary.opens("/admin/subscribers").await.says("Nobody reads you yet");
        stage.imported_all(&[ADA, "bob_100%@example.org", "cy@example.com"]).await;
        stage.leaves("cy@example.com").await;
        let all = mary.opens("/admin/subscribers").await;
        assert!(all.body.find("cy@example.com").unwrap() < all.body.find(ADA).unwrap(), "the newest first");
        all.says("2 active");
        let some = mary.opens("/admin/subscribers?q=EXAMPLE.com").await;
        assert!(some.body.contains("cy@example.com") && !some.body.contains(ADA));
        let literally = mary.opens("/admin/subscribers?q=_ob").await;
        assert!(literally.body.contains("Nobody with “_ob”"), "{}", literally.body);
        mary.opens("/admin/subscribers?q=_100%25").await.says("bob_100%@example.org");
        let left = mary.opens("/admin/subscribers?state=unsubscribed").await;
        assert!(left.body.contains("cy@example.com") && !left.body.contains(ADA));
        let id = found(&stage, ADA).await.public_id;
        let there = mary.opens(&format!("/admin/subscribers?q={id}")).await;
        assert_eq!(there.header("location"), format!("/admin/subscribers/{id}"));
        assert_eq!(mary.opens("/admin/subscribers/7").await.status, 404);
    }

    async fn many_readers_are_read_page_by_page(stage: Stage) {
        let readers: Vec<_> = (0..60).map(|number| format!("reader-{number}@example.org")).collect();
        stage.imported_all(&readers).await;
        let mut mary = stage.viewer("mary").await;
        let first = mary.opens("/admin/subscribers?q=reader").await;
        assert!(first.body.contains("reader-59@") && !first.body.contains("reader-9@"));
        let older = first.body.split("href=\"").find(|it| it.starts_with("/admin/subscribers?before=")).unwrap();
        let second = mary.opens(&older.split('"').next().unwrap().replace("&amp;", "&")).await;
        assert!(second.body.contains("reader-9@") && second.body.contains("reader-0@"));
        assert!(!second.body.contains(">Older<"));
    }

    async fn a_readers_page_has_their_whole_history(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens(&path(&stage, ADA).await).await;
        for told in ["gets mail", "Election alerts", "alerts, daily digest", "Polls close at eight", "Confirmed", "Signed up", "250 "] {
            page.says(told);
        }
        assert!(!page.body.contains("Mail them no more") && !page.body.contains(">Erase<"), "a viewer changes nothing");
    }

    async fn a_reader_who_bounced_is_told_as_one_who_cannot_be_mailed(stage: Stage) {
        stage.imported("550-bob@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens(&path(&stage, "550-bob@example.org").await).await;
        page.says("can’t be mailed");
        page.says("undeliverable since");
        mary.opens("/admin/subscribers?state=suppressed").await.says("550-bob@example.org");
    }

    async fn why_somebody_got_it_or_not_is_told_by_the_one_decision(stage: Stage) {
        stage.imported(ADA).await;
        stage.imported_silent(&["bob@example.org"]).await;
        stage.imported("451-cy@example.org").await;
        let early = stage.alert("Polls close at eight").sent().await;
        let critical = stage.alert("Polls are closed").level(Level::Critical).sent().await;
        stage.cx.clock.advance(1.seconds());
        stage.imported("eve@example.org").await;
        let mut mary = stage.viewer("mary").await;
        let (ada, bob) = (path(&stage, ADA).await, path(&stage, "bob@example.org").await);
        let (cy, eve) = (path(&stage, "451-cy@example.org").await, path(&stage, "eve@example.org").await);

        let told = why(&mut mary, &ada, early).await;
        assert!(told.contains("an alert on election-alerts, and they take alerts there") && told.contains("The relay has it"), "{told}");
        let told = why(&mut mary, &bob, early).await;
        assert!(told.contains("They don’t get it: they did not ask for it"), "{told}");
        let told = why(&mut mary, &bob, critical).await;
        assert!(told.contains("It was critical"), "{told}");
        let told = why(&mut mary, &cy, early).await;
        assert!(told.contains("It is tried again at"), "{told}");
        let told = why(&mut mary, &eve, early).await;
        assert!(told.contains("before they became a reader"), "{told}");
        stage.leaves(ADA).await;
        let told = why(&mut mary, &ada, early).await;
        assert!(told.contains("Today they would not get it: they have unsubscribed"), "{told}");
    }

    async fn a_digest_that_had_nothing_new_for_somebody_says_so(stage: Stage) {
        stage.imported(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        stage.cx.clock.advance(1.minutes());
        stage.imported("bob@example.org").await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let digest = store::issues::page(&mut tx, None, i64::MAX, 1).await.unwrap().remove(0).public_id;
        drop(tx);
        let mut mary = stage.viewer("mary").await;
        let (ada, bob) = (path(&stage, ADA).await, path(&stage, "bob@example.org").await);
        assert!(why(&mut mary, &ada, digest).await.contains("They take the daily digest"));
        assert!(why(&mut mary, &bob, digest).await.contains("It had nothing new for them"));
    }

    async fn an_editor_ends_all_mail_to_somebody_and_no_import_brings_them_back(stage: Stage) {
        stage.imported(ADA).await;
        let waiting = stage.alert("Polls close at eight").queued().await;
        let path = path(&stage, ADA).await;
        let mut grace = stage.editor("grace").await;
        assert!(!grace.opens(&path).await.body.contains(">Erase<"), "that is for owners");
        let page = grace.sends(&path, &format!("{path}/suppress"), "").await;
        assert_eq!(page.header("location"), format!("{path}?done=suppressed"));
        stage.deliver().await;
        assert_eq!(stage.outcome(waiting).await, "1 cancelled");
        assert_eq!(stage.imports(&[ADA]).await.added, 0);
        let again = grace.sends("/admin/account", &format!("{path}/suppress"), "").await;
        assert_eq!(again.header("location"), format!("{path}?done=left-before"));
        let id = found(&stage, ADA).await.public_id;
        let changes = stage.changes().await;
        assert_eq!(changes.last().unwrap(), &format!("grace@example.org: unsubscribed subscriber {id}"));
        assert!(!changes.iter().any(|change| change.contains(ADA)), "the log names nobody by address: {changes:?}");
    }

    async fn an_owner_erases_somebody_by_typing_their_address(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let path = path(&stage, ADA).await;
        let id = found(&stage, ADA).await.public_id;
        let mut olga = stage.owner("olga").await;
        let wrong = olga.sends(&path, &format!("{path}/erase"), "address=eve%40example.org").await;
        assert_eq!(wrong.status, 422);
        wrong.says("Nothing was erased");
        assert_eq!(olga.opens(&path).await.status, 200);
        let page = olga.sends(&path, &format!("{path}/erase"), "address=ADA%40example.org").await;
        assert_eq!(page.header("location"), "/admin/subscribers?done=erased");
        assert_eq!(olga.opens(&path).await.status, 404);
        assert_eq!(stage.imports(&[ADA]).await.added, 0);
        let changes = stage.changes().await;
        assert_eq!(changes.last().unwrap(), &format!("olga@example.org: erased subscriber {id}"));
        assert_eq!(stage.editor("grace").await.sends("/admin/account", &format!("{path}/erase"), "").await.status, 403);
    }
}
