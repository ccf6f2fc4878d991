//! The password and the cookie: in, out, and kept out; forms from elsewhere.

use bellwether::domain::role::Role;

use crate::stage::{Logs, PASSWORD, Setup, Span, Stage, both, form_token};

both! {
    async fn who_knows_the_password_is_in_and_who_does_not_learns_nothing(stage: Stage) {
        stage.employs("ada", Role::Editor).await;
        let mut ada = stage.browser("ada");
        assert_eq!(ada.opens("/admin").await.header("location"), "/admin/login?next=%2Fadmin");
        let wrong = ada.signs_in("a loud ferry at noon").await;
        assert_eq!(wrong.status, 422);
        wrong.says("don’t fit together");
        let unknown = stage.browser("nobody").signs_in("a loud ferry at noon").await;
        let without = |page: &str, name: &str| {
            let token = form_token(page);
            page.replace(&token, "").replace(&format!("{name}@example.org"), "")
        };
        assert_eq!(unknown.status, wrong.status);
        assert_eq!(without(&unknown.body, "nobody"), without(&wrong.body, "ada"));
        assert!(!ada.is_in().await);
        let right = ada.signs_in(PASSWORD).await;
        assert_eq!((right.status, right.header("location")), (303, "/admin"));
        assert!(ada.is_in().await);
    }

    async fn the_cookie_is_new_after_each_step_and_hidden_from_scripts_and_strangers(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        ada.sets_up_codes().await;
        stage.cx.clock.advance(2.minutes());
        let mut ada = stage.browser("ada");
        ada.opens("/admin/login").await;
        let before = ada.cookie().to_owned();
        let page = ada.signs_in(PASSWORD).await;
        let flags = page.header("set-cookie");
        for flag in ["__Host-bellwether=", "; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(flags.contains(flag), "{flags} lacks {flag}");
        }
        let half = ada.cookie().to_owned();
        let code = ada.code().await;
        ada.fills_in("/admin/login/code", &format!("code={code}")).await;
        assert!(ada.is_in().await);
        let whole = ada.cookie().to_owned();
        assert!(before != half && half != whole && before != whole);
    }

    async fn a_page_leads_to_the_door_and_from_there_back_to_itself(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        let mut ada = stage.browser("ada");
        let door = ada.opens("/admin/audit?q=grace").await.header("location").to_owned();
        assert_eq!(door, "/admin/login?next=%2Fadmin%2Faudit%3Fq%3Dgrace");
        let fields = |next: &str| format!("email=ada%40example.org&password={}&next={next}", PASSWORD.replace(' ', "+"));
        let page = ada.sends(&door, "/admin/login", &fields("%2Fadmin%2Faudit%3Fq%3Dgrace")).await;
        assert_eq!(page.header("location"), "/admin/audit?q=grace");
        let mut other = stage.browser("ada");
        let page = other.fills_in("/admin/login", &fields("https%3A%2F%2Fevil.example%2F")).await;
        assert_eq!(page.header("location"), "/admin");
    }

    async fn a_form_that_no_page_of_ours_made_is_refused(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let page = ada.opens("/admin/account").await;
        let form = format!("csrf={}&name=Mallory", form_token(&page.body));
        let rename = "/admin/account/name";
        assert_eq!(ada.posts(rename, "name=Mallory").await.status, 403);
        assert_eq!(ada.posts(rename, "csrf=guessed&name=Mallory").await.status, 403);
        for (origin, site) in [
            ("https://evil.example", "cross-site"),
            ("https://evil.example", "same-origin"),
            ("null", "cross-site"),
            ("https://news.example.org", "same-site"),
            ("https://news.example.org:444", "same-origin"),
        ] {
            assert_eq!(ada.posts_from(origin, site, rename, &form).await.status, 403, "{origin} {site}");
        }
        let mut grace = stage.owner("grace").await;
        let others = grace.opens("/admin/account").await;
        let others = format!("csrf={}&name=Mallory", form_token(&others.body));
        assert_eq!(ada.posts(rename, &others).await.status, 403, "another's token is no token");
        assert_eq!(stage.user("ada").await.name, "ada");
        assert_eq!(ada.posts(rename, &form).await.status, 303);
        assert_eq!(stage.user("ada").await.name, "Mallory");
    }

    async fn a_sign_in_form_from_elsewhere_signs_nobody_in(stage: Stage) {
        stage.employs("ada", Role::Owner).await;
        let fields = format!("email=ada%40example.org&password={}", PASSWORD.replace(' ', "+"));
        let mut ada = stage.browser("ada");
        let form = format!("csrf={}&{fields}", form_token(&ada.opens("/admin/login").await.body));
        assert_eq!(ada.posts_from("https://evil.example", "cross-site", "/admin/login", &form).await.status, 403);
        assert_eq!(stage.browser("ada").posts("/admin/login", &form).await.status, 403, "without its cookie");
        assert!(!ada.is_in().await);
    }

    async fn who_is_kept_out_is_out_at_once_and_comes_back_when_let_in(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let mut grace = stage.editor("grace").await;
        let page = format!("/admin/users/{}", stage.user("grace").await.public_id);
        ada.sends(&page, &format!("{page}/disable"), "").await;
        assert!(!grace.is_in().await);
        assert_eq!(grace.signs_in(PASSWORD).await.status, 422);
        ada.sends(&page, &format!("{page}/enable"), "").await;
        assert_eq!(grace.signs_in(PASSWORD).await.status, 303);
    }

    async fn no_secret_is_in_the_log(setup: Setup) {
        let logs = Logs::collected();
        let stage = setup.open().await;
        let link = bellwether::newsroom::links::first_owner(&stage.cx).await.unwrap().unwrap();
        let path = link.strip_prefix("https://news.example.org").unwrap();
        let mut ada = stage.browser("ada");
        let fields = format!("email=ada%40example.org&name=Ada&password={}", PASSWORD.replace(' ', "+"));
        assert_eq!(ada.fills_in(path, &fields).await.status, 303);
        let codes = ada.sets_up_codes().await;
        let code = ada.code().await;
        let mut again = stage.browser("ada");
        again.signs_in("a wrong one, and long").await;
        again.signs_in(PASSWORD).await;
        again.fills_in("/admin/login/code", &format!("code={}", codes[0])).await;
        ada.fills_in("/admin/forgotten", "email=ada%40example.org").await;
        stage.settle().await;
        let text = logs.text();
        assert!(!text.is_empty());
        let secret = bellwether::domain::totp::base32(&stage.user("ada").await.totp_secret.unwrap());
        let token = path.rsplit('/').next().unwrap();
        let cookie = again.cookie().split('=').nth(1).unwrap();
        for secret in [token, PASSWORD, "a wrong one, and long", &code, &codes[0], &secret, cookie] {
            assert!(!text.contains(secret), "{secret}:\n{text}");
        }
    }
}
