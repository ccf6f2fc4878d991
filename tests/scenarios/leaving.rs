//! Unsubscribing by one click, keeping one thing, coming back; preferences that take effect on what is queued.

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";
const FORM: &str = "application/x-www-form-urlencoded";

both! {
    async fn one_click_of_a_mail_program_ends_everything(stage: Stage) {
        stage.reader(ADA).await;
        stage.reader("eve@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        for (who, content_type, body) in [
            (ADA, FORM, "List-Unsubscribe=One-Click"),
            ("eve@example.org", "multipart/form-data; boundary=x", multipart),
        ] {
            let mail = stage.newest(who);
            let header = mail.header("List-Unsubscribe").unwrap();
            let url = header.trim_matches(['<', '>']);
            assert_eq!(url, format!("https://news.example.org{}", mail.link("unsubscribe")));
            let page = stage.posts(&mail.link("unsubscribe"), content_type, body).await;
            assert_eq!(page.status, 200, "no redirect");
            assert_eq!(page.header("set-cookie"), "");
            let again = stage.posts(&mail.link("unsubscribe"), content_type, body).await;
            assert_eq!(again.status, 200);
        }
        let issue = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "");
        stage.pushes("a", "The count begins", true).await;
        stage.live(2.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn who_leaves_gets_nothing_of_what_is_queued(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        stage.imported("451-eve@example.org").await;
        let link = stage.newest(ADA).link("unsubscribe");
        let queued = stage.alert("Polls are closed").queued().await;
        assert_eq!(stage.outcome(queued).await, "2 queued");
        stage.posts(&link, FORM, "").await;
        assert_eq!(stage.outcome(queued).await, "1 cancelled, 1 queued", "at once");
        stage.settle().await;
        assert_eq!(stage.outcome(queued).await, "1 cancelled, 1 deferred");
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn who_left_a_moment_ago_may_keep_one_thing(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let mail = stage.newest(ADA);
        let page = stage.press(&mail.link("unsubscribe")).await;
        page.says("Breaking news only");
        let page = stage.fills_in(&mail.link("preferences"), "topics=election-alerts&alerts=true&digest=none").await;
        assert_eq!(page.status, 200);
        stage.alert("Polls are closed").sent().await;
        stage.pushes("a", "The count begins", false).await;
        stage.live(2.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "Polls are closed"], "and no digest");
    }

    async fn who_left_an_hour_ago_needs_the_form(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let mail = stage.newest(ADA);
        stage.press(&mail.link("unsubscribe")).await;
        stage.advance(1.hour()).await;
        stage.fills_in(&mail.link("preferences"), "topics=election-alerts&alerts=true&digest=none").await;
        let issue = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "");
    }

    async fn who_left_signs_up_again_and_starts_anew(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").open().await;
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        stage.press(&stage.newest(ADA).link("unsubscribe")).await;
        stage.pushes("a", "Written meanwhile", false).await;
        stage.advance(1.hour()).await;

        stage.reader_of(ADA, "topics=foreign-policy").await;
        stage.alert("At home").sent().await;
        stage.alert("Abroad").on(&["foreign-policy"]).sent().await;
        stage.live(2.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "Abroad"], "nothing of before comes back");
    }

    async fn preferences_take_effect_on_what_is_queued(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").open().await;
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let link = stage.newest(ADA).link("preferences");
        let home = stage.alert("At home").queued().await;
        let both_topics = stage.alert("Everywhere").on(&["election-alerts", "foreign-policy"]).queued().await;
        let page = stage.fills_in(&link, "topics=foreign-policy&alerts=true&digest=daily").await;
        page.says("Saved");
        assert_eq!(stage.outcome(home).await, "1 cancelled");
        assert_eq!(stage.outcome(both_topics).await, "1 sent");

        let queued = stage.alert("Abroad").on(&["foreign-policy"]).queued().await;
        stage.fills_in(&link, "alerts=false&digest=daily").await;
        assert_eq!(stage.outcome(queued).await, "1 cancelled");
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "Everywhere"]);
    }

    async fn a_confirmed_change_takes_effect_on_what_is_queued_too(stage: Stage) {
        stage.reader(ADA).await;
        stage.advance(1.hour()).await;
        stage.visitor().asks("email=ada%40example.org&alerts=false&digest=daily").await;
        stage.settle().await;
        let queued = stage.alert("Polls close at eight").queued().await;
        stage.press(&stage.newest(ADA).link("confirm")).await;
        assert_eq!(stage.outcome(queued).await, "1 cancelled");
    }

    async fn turning_the_digest_off_stops_the_one_that_is_queued(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let link = stage.newest(ADA).link("preferences");
        stage.pushes("a", "The count begins", false).await;
        stage.cx.clock.advance(19.hours());
        stage.prepare().await;
        stage.fills_in(&link, "alerts=true&digest=none").await;
        assert_eq!(stage.issues().await, ["alert: Polls close at eight", "digest: The count begins"]);
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn preferences_that_ask_for_nothing_are_goodbye(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let link = stage.newest(ADA).link("preferences");
        stage.fills_in(&link, "alerts=false&digest=none").await.says("unsubscribed");
        let issue = stage.alert("Everybody").level(bellwether::domain::issue::Level::Critical).sent().await;
        assert_eq!(stage.outcome(issue).await, "");
    }

    async fn a_forwarded_link_shows_no_address(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let mail = stage.newest(ADA);
        for door in ["unsubscribe", "preferences"] {
            let page = stage.open(&mail.link(door)).await;
            page.says("a…@example.org");
            assert!(!page.body.contains(ADA));
        }
    }
}
