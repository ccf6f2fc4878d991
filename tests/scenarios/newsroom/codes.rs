//! The second factor: set up, asked for, used once; the codes on paper; the lost phone.

use bellwether::domain::role::Role;

use crate::stage::{PASSWORD, Setup, Span, Stage, both, form_token};

const CODE: &str = "/admin/login/code";

both! {
    async fn who_set_up_an_app_needs_its_code_and_each_code_works_once(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        ada.sets_up_codes().await;
        assert!(ada.is_in().await, "who set it up goes on");
        stage.cx.clock.advance(2.minutes());

        let mut phone = stage.browser("ada");
        assert_eq!(phone.signs_in(PASSWORD).await.header("location"), "/admin/login/code?next=%2Fadmin");
        assert!(!phone.is_in().await);
        assert_eq!(phone.fills_in(CODE, "code=000000").await.status, 422);
        let code = phone.code().await;
        assert_eq!(phone.fills_in(CODE, &format!("code={code}")).await.status, 303);
        assert!(phone.is_in().await);

        let mut thief = stage.browser_from("ada", "198.51.100.7");
        thief.signs_in(PASSWORD).await;
        let page = thief.fills_in(CODE, &format!("code={code}")).await;
        assert_eq!(page.status, 422);
        page.says("used already");
        assert!(!thief.is_in().await);
        stage.cx.clock.advance(1.minutes());
        let next = phone.code().await;
        assert_eq!(thief.fills_in(CODE, &format!("code={next}")).await.status, 303);
    }

    async fn the_page_with_the_recovery_codes_leads_on_under_the_new_cookie(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let path = "/admin/account/codes";
        ada.sends(path, "/admin/account/codes/begin", "").await;
        let code = ada.code().await;
        let shown = ada.sends(path, "/admin/account/codes/confirm", &format!("code={code}")).await;
        let form = format!("csrf={}", form_token(&shown.body));
        assert_eq!(ada.posts("/admin/logout", &form).await.status, 303);
    }

    async fn a_recovery_code_stands_in_for_the_phone_once(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let codes = ada.sets_up_codes().await;
        assert_eq!(codes.len(), 10);
        let typed = codes[3].to_lowercase().replace('-', "+");
        let mut elsewhere = stage.browser("ada");
        elsewhere.signs_in(PASSWORD).await;
        assert_eq!(elsewhere.fills_in(CODE, &format!("code={typed}")).await.status, 303);
        assert!(elsewhere.is_in().await);
        elsewhere.opens("/admin/account/codes").await.says("<strong>9</strong>");
        let mut again = stage.browser("ada");
        again.signs_in(PASSWORD).await;
        assert_eq!(again.fills_in(CODE, &format!("code={typed}")).await.status, 422);

        let fields = format!("password={}", PASSWORD.replace(' ', "+"));
        elsewhere.sends("/admin/account/codes", "/admin/account/codes/renew", &fields).await.says("class=\"paper\"");
        assert_eq!(again.fills_in(CODE, &format!("code={}", codes[4])).await.status, 422, "new ones took its place");
    }

    async fn setting_up_takes_a_right_code_and_signs_out_the_other_browsers(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let mut other = stage.browser("ada");
        other.signs_in(PASSWORD).await;
        let path = "/admin/account/codes";
        ada.sends(path, "/admin/account/codes/begin", "").await;
        assert_eq!(ada.sends(path, "/admin/account/codes/confirm", "code=123456").await.status, 422);
        assert!(!stage.user("ada").await.has_second_factor());
        assert!(other.is_in().await);
        ada.opens(path).await.says("<svg");
        let code = ada.code().await;
        assert_eq!(ada.sends(path, "/admin/account/codes/confirm", &format!("code={code}")).await.status, 200);
        assert!(!other.is_in().await, "it never showed a second factor");
        assert!(ada.is_in().await);
    }

    async fn where_releasing_takes_a_second_factor_editors_set_it_up_before_anything_else(setup: Setup) {
        let stage = setup.with("newsroom.require_totp", "true").open().await;
        for (name, role) in [("ada", Role::Owner), ("grace", Role::Editor)] {
            stage.employs(name, role).await;
            let mut colleague = stage.browser(name);
            assert_eq!(colleague.signs_in(PASSWORD).await.header("location"), "/admin/account/codes");
            assert_eq!(colleague.opens("/admin").await.header("location"), "/admin/account/codes");
            colleague.sets_up_codes().await;
            assert!(colleague.is_in().await);
        }
        let mut mary = stage.contributor("mary").await;
        assert!(mary.is_in().await);
    }

    async fn a_lost_phone_is_an_owners_matter(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let mut grace = stage.editor("grace").await;
        grace.sets_up_codes().await;
        let page = format!("/admin/users/{}", stage.user("grace").await.public_id);
        ada.sends(&page, &format!("{page}/forget-codes"), "").await;
        let mut grace = stage.browser("grace");
        assert_eq!(grace.signs_in(PASSWORD).await.header("location"), "/admin");
        assert!(stage.changes().await.contains(&"ada@example.org: second factor ended user grace@example.org".to_owned()));
    }

    async fn switching_it_off_takes_the_password(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        ada.sets_up_codes().await;
        let (path, end) = ("/admin/account/codes", "/admin/account/codes/end");
        assert_eq!(ada.sends(path, end, "password=not+that+one").await.status, 422);
        assert!(stage.user("ada").await.has_second_factor());
        let fields = format!("password={}", PASSWORD.replace(' ', "+"));
        assert_eq!(ada.sends(path, end, &fields).await.status, 303);
        assert!(!stage.user("ada").await.has_second_factor());
    }
}
