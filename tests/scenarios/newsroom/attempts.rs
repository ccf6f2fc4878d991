//! Guessing costs time, and keeps nobody out who was here before.

use bellwether::domain::role::Role;

use crate::stage::{PASSWORD, Span, Stage, both};

both! {
    async fn guessing_costs_a_wait_that_grows_also_for_an_account_that_does_not_exist(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        for name in ["ada", "nobody"] {
            let mut thief = stage.browser_from(name, "198.51.100.7");
            for _ in 0..5 {
                assert_eq!(thief.signs_in("a loud ferry at noon").await.status, 422);
            }
            let mut waits = Vec::new();
            for _ in 0..4 {
                let page = thief.signs_in(PASSWORD).await;
                assert_eq!(page.status, 429, "{name}: also the right one waits");
                let wait: u64 = page.header("retry-after").parse().unwrap();
                waits.push(wait);
                stage.cx.clock.advance(wait.seconds());
                assert_eq!(thief.signs_in("a loud ferry at noon").await.status, 422);
            }
            assert_eq!(waits, [15, 30, 60, 120]);
        }
    }

    async fn a_stranger_who_fails_on_purpose_keeps_nobody_out(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        for network in 0..60 {
            let mut thief = stage.browser_from("ada", &format!("198.51.100.{network}"));
            thief.signs_in("a loud ferry at noon").await;
        }
        let mut stranger = stage.browser_from("ada", "203.0.113.1");
        assert_eq!(stranger.signs_in(PASSWORD).await.status, 429, "from everywhere is too often as well");
        assert!(ada.is_in().await);
        let mut again = stage.browser("ada");
        assert_eq!(again.signs_in(PASSWORD).await.status, 303, "where she signed in before she still can");
        stage.cx.clock.advance(15.minutes());
        assert_eq!(stranger.signs_in(PASSWORD).await.status, 303, "and everywhere after a wait");
    }

    async fn one_network_that_tries_many_accounts_waits_and_others_do_not(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        for number in 0..30 {
            let mut thief = stage.browser_from(&format!("name{number}"), "198.51.100.7");
            assert_eq!(thief.signs_in("a loud ferry at noon").await.status, 422);
        }
        assert_eq!(stage.browser_from("ada", "198.51.100.7").signs_in(PASSWORD).await.status, 429);
        assert_eq!(stage.browser("ada").signs_in(PASSWORD).await.status, 303);
    }

    async fn who_gets_in_has_a_clean_slate(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        for _ in 0..4 {
            for _ in 0..4 {
                assert_eq!(stage.browser("ada").signs_in("a loud ferry at noon").await.status, 422);
            }
            assert_eq!(stage.browser("ada").signs_in(PASSWORD).await.status, 303);
        }
    }

    async fn codes_are_not_for_guessing_either(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        ada.sets_up_codes().await;
        let mut thief = stage.browser_from("ada", "198.51.100.7");
        thief.signs_in(PASSWORD).await;
        for guess in 0..5 {
            let page = thief.fills_in("/admin/login/code", &format!("code=00000{guess}")).await;
            assert_eq!(page.status, 422);
        }
        let page = thief.fills_in("/admin/login/code", "code=000006").await;
        assert_eq!(page.status, 429);
        page.says("wrong too often");
    }

    async fn a_forgotten_password_is_answered_the_same_whoever_asks(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        let mut browser = stage.browser("ada");
        let mut answers = Vec::new();
        for email in ["ada%40example.org", "nobody%40example.org", "no+address"] {
            let page = browser.fills_in("/admin/forgotten", &format!("email={email}")).await;
            answers.push((page.status, page.body));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        stage.settle().await;
        assert_eq!(stage.inbox("ada@example.org").len(), 1);
        assert!(stage.inbox("nobody@example.org").is_empty());
        for _ in 0..4 {
            browser.fills_in("/admin/forgotten", "email=ada%40example.org").await;
        }
        assert_eq!(browser.fills_in("/admin/forgotten", "email=ada%40example.org").await.status, 429);
    }
}
