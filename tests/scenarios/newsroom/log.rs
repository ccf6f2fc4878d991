//! The log of changes.

use axum::body::Body;
use axum::http::Request;

use crate::stage::{Span, Stage, both};

both! {
    async fn every_change_is_written_down_with_who_what_and_from_where(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        stage.employs("grace", bellwether::domain::role::Role::Editor).await;
        let page = format!("/admin/users/{}", stage.user("grace").await.public_id);
        ada.sends(&page, &format!("{page}/role"), "role=viewer").await;
        ada.sends("/admin/account", "/admin/account/name", "name=Ada+L.").await;
        ada.fills_in("/admin/tokens", "name=Site&role=viewer&days=0").await;
        ada.sends(&page, &format!("{page}/disable"), "").await;
        assert_eq!(
            stage.changes().await,
            [
                "command line: user created user ada@example.org",
                "ada@example.org: signed in user ada@example.org",
                "command line: user created user grace@example.org",
                "ada@example.org: role changed user grace@example.org",
                "ada@example.org: renamed user ada@example.org",
                "ada@example.org: token created token Site",
                "ada@example.org: disabled user grace@example.org",
            ]
        );
        let shown = ada.opens("/admin/audit?q=GRACE").await;
        shown.says("role: editor → viewer");
        shown.says("from 192.0.2.10");
        assert!(!shown.body.contains("Token created"));
        ada.opens("/admin/audit?q=%25").await.says("Nothing was changed that has these words");
    }

    async fn the_log_is_read_page_by_page(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        for number in 0..60 {
            stage.cx.clock.advance(1.seconds());
            ada.sends("/admin/account", "/admin/account/name", &format!("name=Ada+{number}x")).await;
        }
        let first = ada.opens("/admin/audit?q=renamed").await;
        first.says("Ada 59x");
        assert!(!first.body.contains("Ada 8x"));
        let older = first.body.split("href=\"").find(|it| it.starts_with("/admin/audit?before=")).unwrap();
        let older = older.split('"').next().unwrap().replace("&amp;", "&");
        let second = ada.opens(&older).await;
        second.says("Ada 8x");
        second.says("Ada 0x");
        assert!(!second.body.contains(">Older<"));
    }

    async fn what_programs_change_is_written_down_too(stage: Stage) {
        let token = stage.operator_reads(&["token", "create", "--name", "site", "--role", "editor"]).await;
        let issue = stage.alert("Polls close at eight").accepted().await.id;
        let request = Request::post(format!("/api/v1/issues/{issue}/cancel"))
            .header("authorization", format!("Bearer {}", token.trim()));
        assert_eq!(stage.send(request.body(Body::empty()).unwrap()).await.status(), 200);
        let changes = stage.changes().await;
        assert_eq!(changes.last().unwrap(), &format!("site: issue cancelled issue {issue}"));
    }
}
