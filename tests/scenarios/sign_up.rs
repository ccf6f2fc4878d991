//! Signing up: the form, its limits, and what an address is mailed, whatever the answer.

use bellwether::store;

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn a_visitor_signs_up_confirms_and_is_a_reader(stage: Stage) {
        let page = stage.visitor().signs_up(ADA).await;
        assert_eq!(page.status, 200);
        page.says("inbox");
        let issue = stage.alert("Nobody reads this").sent().await;
        assert_eq!(stage.outcome(issue).await, "");

        let page = stage.press(&stage.newest(ADA).link("confirm")).await;
        assert_eq!(page.status, 200);
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn the_answer_is_the_same_for_new_pending_active_and_suppressed_addresses(stage: Stage) {
        stage.visitor().signs_up("pen-x@example.org").await;
        stage.reader("act-x@example.org").await;
        stage.reader("off-x@example.org").await;
        stage.imported("550-x@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        stage.press(&stage.newest("off-x@example.org").link("unsubscribe")).await;

        let mut answers = Vec::new();
        for who in ["new-x", "pen-x", "act-x", "off-x", "550-x"] {
            let address = format!("{who}@example.org");
            let page = stage.visitor().asks(&format!("email={who}%40example.org")).await;
            let json = stage.visitor().asks_in_json(&format!(r#"{{"email": "{address}"}}"#)).await;
            assert_eq!((json.status, json.body.as_str()), (202, r#"{"status":"check-your-inbox"}"#), "{who}");
            assert_eq!(json.headers.len(), 7, "{:?}", json.headers);
            answers.push((page.status, page.headers.clone(), page.body.replace(&address, "(address)")));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_eq!(rows(&stage).await, 3 + 2 * 5, "every form is kept, the same way");
    }

    async fn one_address_is_mailed_again_after_ten_minutes_and_three_times_in_seven_days(stage: Stage) {
        let confirmations = || stage.inbox(ADA).len();
        stage.visitor().signs_up(ADA).await;
        stage.visitor().signs_up("ADA@Example.org").await;
        assert_eq!(confirmations(), 1, "however it is written");
        stage.advance(9.minutes()).await;
        stage.visitor().signs_up(ADA).await;
        assert_eq!(confirmations(), 1);
        stage.advance(1.minutes()).await;
        stage.visitor().signs_up(ADA).await;
        assert_eq!(confirmations(), 2);
        stage.advance(1.day()).await;
        stage.visitor().signs_up(ADA).await;
        assert_eq!(confirmations(), 3);
        for _ in 0..5 {
            stage.advance(1.day()).await;
            assert_eq!(stage.visitor().signs_up(ADA).await.status, 200);
        }
        assert_eq!(confirmations(), 3);
        stage.advance(1.day()).await;
        stage.visitor().signs_up(ADA).await;
        assert_eq!(confirmations(), 4, "the first one is seven days old");
    }

    async fn a_network_that_asks_too_often_is_told_to_wait(setup: Setup) {
        let stage = setup.with("signup.per_network_hour", "3").open().await;
        for who in ["a", "b", "c"] {
            assert_eq!(stage.visitor_from("192.0.2.7").signs_up(&format!("{who}@example.org")).await.status, 200);
            stage.advance(10.minutes()).await;
        }
        let page = stage.visitor_from("192.0.2.7").signs_up("d@example.org").await;
        assert_eq!((page.status, page.header("retry-after")), (429, "1800"));
        let json = stage.visitor_from("192.0.2.7").asks_in_json(r#"{"email": "d@example.org"}"#).await;
        assert_eq!((json.status, json.header("retry-after")), (429, "1800"));
        assert_eq!(json.header("content-type"), "application/problem+json");
        assert!(stage.inbox("d@example.org").is_empty());

        assert_eq!(stage.visitor_from("192.0.2.8").signs_up("e@example.org").await.status, 200);
        assert_eq!(stage.inbox("e@example.org").len(), 1, "another network");
        stage.advance(30.minutes()).await;
        assert_eq!(stage.visitor_from("192.0.2.7").signs_up("d@example.org").await.status, 200);
    }

    async fn a_network_of_ipv6_is_its_first_64_bits(setup: Setup) {
        let stage = setup.with("signup.per_network_hour", "1").open().await;
        let ask = async |peer: &str| stage.visitor_from(peer).asks("email=a%40example.org").await.status;
        assert_eq!(ask("2001:db8:1:2::1").await, 200);
        assert_eq!(ask("2001:db8:1:2:ffff::9").await, 429);
        assert_eq!(ask("2001:db8:1:3::1").await, 200);
    }

    async fn too_many_altogether_get_the_usual_answer_and_no_mail(setup: Setup) {
        let stage = setup.with("signup.per_hour", "2").open().await;
        for who in ["a", "b", "c"] {
            let visitor = stage.visitor_from(&format!("192.0.2.{}", who.as_bytes()[0]));
            assert_eq!(visitor.signs_up(&format!("{who}@example.org")).await.status, 200);
        }
        assert_eq!(stage.inbox("b@example.org").len(), 1);
        assert_eq!(stage.inbox("c@example.org").len(), 0);
        stage.advance(1.hour()).await;
        stage.visitor().signs_up("c@example.org").await;
        assert_eq!(stage.inbox("c@example.org").len(), 1);
    }

    async fn input_is_checked_before_any_limit(setup: Setup) {
        let stage = setup.with("signup.per_network_hour", "1").open().await;
        stage.visitor().signs_up("a@example.org").await;
        assert_eq!(stage.visitor().asks("email=no-address").await.status, 422);
        assert_eq!(stage.visitor().asks("email=a%40example.org&alerts=false&digest=none").await.status, 422);
        assert_eq!(stage.visitor().asks("email=a%40example.org&topics=nonsense").await.status, 422);
        assert_eq!(stage.visitor().asks("email=a%40example.org").await.status, 429);
    }

    async fn a_robot_that_fills_in_the_hidden_field_sees_the_usual_answer(stage: Stage) {
        let page = stage.visitor().asks("email=ada%40example.org&website=https%3A%2F%2Fspam.example").await;
        let honest = stage.visitor().asks("email=ada%40example.org").await;
        assert_eq!((page.status, page.body), (honest.status, honest.body));
        assert_eq!(rows(&stage).await, 1);
    }

    async fn nothing_changes_for_an_active_reader_until_the_mailed_link_is_confirmed(stage: Stage) {
        stage.reader(ADA).await;
        stage.advance(1.hour()).await;
        stage.visitor().asks("email=ada%40example.org&alerts=false&digest=weekly").await;
        stage.settle().await;
        let confirmation = stage.newest(ADA);
        assert!(confirmation.text().contains("already. Somebody, most likely you,"), "{}", confirmation.text());
        stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);

        stage.press(&confirmation.link("confirm")).await;
        stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"], "alerts are off now");
    }

    async fn a_form_gives_what_it_asks_and_the_defaults_for_the_rest(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").with("signup.digest", "weekly").open().await;
        stage.reader_of(ADA, "alerts=false&alerts=true&topics=foreign-policy").await;
        stage.alert("At home").sent().await;
        stage.alert("Abroad").on(&["foreign-policy"]).sent().await;
        assert_eq!(stage.subjects(ADA), ["Abroad"]);
        let page = stage.open(&stage.newest(ADA).link("preferences")).await;
        page.says(r#"value="weekly" checked"#);
    }

    async fn an_address_in_its_own_letters_is_mailed_in_a_labels(stage: Stage) {
        stage.visitor().signs_up("Ada@Bücher.example").await;
        let mail = stage.newest("Ada@xn--bcher-kva.example");
        assert_eq!(mail.header("To").unwrap(), "Ada@xn--bcher-kva.example");
        stage.press(&mail.link("confirm")).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn the_consent_is_on_record_with_its_wording_form_and_time(stage: Stage) {
        stage.reader(ADA).await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let reader = store::subscribers::by_key(&mut tx, ADA).await.unwrap().unwrap();
        let consents = store::subscribers::consents(&mut tx, reader.id).await.unwrap();
        let [(action, detail, at)] = consents.as_slice() else { panic!("{consents:?}") };
        assert_eq!((action.as_str(), *at), ("confirmed", stage.now()));
        for said in ["election-alerts", "\"digest\":\"daily\"", "\"alerts\":true", "wording", "network"] {
            assert!(detail.contains(said), "{said}: {detail}");
        }
    }
}

/// How many forms are kept.
async fn rows(stage: &Stage) -> i64 {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::signups::count_all(&mut tx, stage.now().minus(1.day())).await.unwrap()
}
