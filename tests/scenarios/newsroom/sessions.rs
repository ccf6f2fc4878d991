//! How long somebody stays signed in, and what ends it.

use crate::stage::{PASSWORD, Span, Stage, both};

both! {
    async fn another_password_ends_every_other_session(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let mut other = stage.browser("ada");
        other.signs_in(PASSWORD).await;
        let mut thief = ada.stolen();
        let change = "/admin/account/password";
        let fields = |present: &str, new: &str| format!("present={}&new={}", present.replace(' ', "+"), new.replace(' ', "+"));
        let page = ada.sends("/admin/account", change, &fields("not this one", "an orchard in the rain")).await;
        assert_eq!(page.status, 422);
        page.says("not your password");
        assert_eq!(ada.sends("/admin/account", change, &fields(PASSWORD, "password1234")).await.status, 422);
        assert!(other.is_in().await);
        assert_eq!(ada.sends("/admin/account", change, &fields(PASSWORD, "an orchard in the rain")).await.status, 303);
        assert!(ada.is_in().await, "under a new cookie");
        assert!(!thief.is_in().await, "the old one is worth nothing");
        assert!(!other.is_in().await);
        assert_eq!(other.signs_in("an orchard in the rain").await.status, 303);
    }

    async fn a_session_ends_when_it_is_not_used_and_at_last_in_any_case(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        stage.cx.clock.advance(11.hours());
        assert!(ada.is_in().await);
        stage.cx.clock.advance(12.hours());
        assert!(!ada.is_in().await, "12 hours unused");
        ada.signs_in(PASSWORD).await;
        for _ in 0..20 {
            stage.cx.clock.advance(8.hours());
            assert!(ada.is_in().await);
        }
        stage.cx.clock.advance(8.hours());
        assert!(!ada.is_in().await, "seven days");
    }

    async fn sessions_are_listed_and_ended_one_by_one_or_all_but_this(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let mut phone = stage.browser_from("ada", "198.51.100.7");
        phone.signs_in(PASSWORD).await;
        let mut tablet = stage.browser_from("ada", "198.51.100.8");
        tablet.signs_in(PASSWORD).await;
        let page = ada.opens("/admin/account").await;
        page.says("Firefox on Linux");
        page.says("198.51.100.7");
        let end = page.body.split("198.51.100.7").nth(1).unwrap().split("action=\"").nth(1).unwrap();
        let end = end.split('"').next().unwrap();
        let mut grace = stage.editor("grace").await;
        grace.sends("/admin/account", end, "").await;
        assert!(phone.is_in().await, "another's is none of hers");
        assert_eq!(ada.sends("/admin/account", end, "").await.status, 303);
        assert!(!phone.is_in().await);
        assert!(tablet.is_in().await);
        ada.sends("/admin/account", "/admin/account/sessions/end", "").await;
        assert!(!tablet.is_in().await);
        assert!(ada.is_in().await && grace.is_in().await);
    }

    async fn who_signs_out_leaves_nothing_behind(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let mut thief = ada.stolen();
        assert_eq!(ada.sends("/admin", "/admin/logout", "").await.header("location"), "/admin/login?done=signed-out");
        assert!(!ada.is_in().await && !thief.is_in().await);
    }

    async fn pages_of_the_newsroom_are_kept_nowhere_and_say_so(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        for path in ["/admin", "/admin/login", "/admin/account", "/admin/users"] {
            let page = ada.opens(path).await;
            let seen = ["cache-control", "referrer-policy", "x-robots-tag"].map(|name| page.header(name).to_owned());
            assert_eq!(seen, ["no-store", "same-origin", "noindex"], "{path}");
            assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
        }
    }
}
