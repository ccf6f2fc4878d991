//! Who may: every route of the table is walked without a login, with each role in the newsroom and with a token of each
//! role; and nothing is reachable that isn't in the table.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use bellwether::domain::role::{Area, Role};
use bellwether::newsroom::tokens;
use bellwether::web::routes::{Row, Who, table};

use crate::stage::{Colleague, Stage};

/// What came of a visit, as far as the right to it goes.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    /// Sent to the page to sign in, or told to.
    Door,
    /// Sent to show the code first.
    CodeDue,
    Forbidden,
    Inside,
}

/// A path with something in its places.
fn path(row: &Row) -> String {
    row.path.replace("{token}", "t0k3n").replace("{name}", "admin.css").replace("{id}", "700")
}

async fn visit(stage: &Stage, row: &Row, colleague: Option<&mut Colleague<'_>>) -> Met {
    let page = match (row.method, colleague) {
        ("GET", Some(colleague)) => colleague.opens(&path(row)).await,
        (_, Some(colleague)) => colleague.sends("/admin/account", &path(row), "").await,
        ("GET", None) => stage.open(&path(row)).await,
        (_, None) => stage.browser("nobody").sends("/admin/login", &path(row), "").await,
    };
    match (page.status, page.header("location")) {
        (303, to) if to.starts_with("/admin/login/code") => Met::CodeDue,
        (303, to) if to.starts_with("/admin/login?next=") => Met::Door,
        (401, _) => Met::Door,
        (403, _) => Met::Forbidden,
        _ => Met::Inside,
    }
}

#[tokio::test]
async fn without_a_login_the_newsroom_shows_nothing_but_its_doors() {
    let stage = Stage::new().await;
    for row in table(&stage.cx).rows {
        let expected = match row.who {
            Who::HalfWay | Who::SignedIn | Who::User(_) => Met::Door,
            Who::Visitor => Met::Inside,
            Who::Anyone | Who::Link | Who::Token(..) => continue,
        };
        assert_eq!(visit(&stage, &row, None).await, expected, "{row:?}");
    }
}

#[tokio::test]
async fn each_role_gets_where_the_table_says_and_no_further() {
    for role in Role::ALL {
        let stage = Stage::new().await;
        stage.employs("olga", Role::Owner).await;
        let mut colleague = stage.colleague("ada", *role).await;
        for row in table(&stage.cx).rows.iter().filter(|row| row.path.starts_with("/admin")) {
            let expected = match row.who {
                Who::User(right) if !role.may(right) => Met::Forbidden,
                _ => Met::Inside,
            };
            assert_eq!(visit(&stage, row, Some(&mut colleague)).await, expected, "{role} {row:?}");
            if row.path == "/admin/logout" {
                colleague.signs_in(crate::stage::PASSWORD).await;
            }
        }
    }
}

#[tokio::test]
async fn who_owes_a_code_gets_no_further_than_that() {
    let stage = Stage::new().await;
    let mut ada = stage.owner("ada").await;
    ada.sets_up_codes().await;
    let mut half = stage.browser("ada");
    half.signs_in(crate::stage::PASSWORD).await;
    for row in table(&stage.cx).rows.iter().filter(|row| matches!(row.who, Who::SignedIn | Who::User(_))) {
        let met = match row.method {
            "GET" => visit(&stage, row, Some(&mut half)).await,
            _ => {
                let page = half.sends("/admin/login/code", &path(row), "").await;
                assert_eq!(page.header("location"), "/admin/login/code", "{row:?}: {}", page.status);
                Met::CodeDue
            }
        };
        assert_eq!(met, Met::CodeDue, "{row:?}");
    }
}

async fn calls(stage: &Stage, row: &Row, token: Option<&str>) -> u16 {
    let mut request = Request::builder().method(row.method).uri(path(row));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    stage.send(request.body(Body::empty()).unwrap()).await.status().as_u16()
}

#[tokio::test]
async fn a_token_gets_where_its_role_and_scope_say() {
    let stage = Stage::new().await;
    let actor = bellwether::audit::Actor::command();
    let mut made = Vec::new();
    for role in Role::ALL {
        for areas in [vec![], vec![Area::Alerts], vec![Area::Posts, Area::Issues]] {
            let wanted = tokens::Wanted {
                name: format!("{role} {areas:?}"),
                role: *role,
                areas: areas.clone(),
                holds: None,
            };
            made.push((*role, areas, tokens::create(&stage.cx, &actor, &wanted).await.unwrap()));
        }
    }
    let rows = table(&stage.cx).rows;
    let api: Vec<_> = rows.iter().filter(|row| row.path.starts_with("/api/")).collect();
    assert!(api.len() >= 7);
    for row in api {
        if ["/api/v1/openapi.json", "/api/v1/docs"].contains(&row.path) {
            // They say what the API is, and nothing of what it holds.
            assert_eq!(row.who, Who::Anyone);
            continue;
        }
        let Who::Token(right, area) = row.who else { panic!("{row:?} takes no token") };
        assert_eq!(calls(&stage, row, None).await, 401, "{row:?}");
        assert_eq!(calls(&stage, row, Some("bw_wrong")).await, 401, "{row:?}");
        for (role, areas, token) in &made {
            let may = role.may(right) && (areas.is_empty() || areas.contains(&area));
            let status = calls(&stage, row, Some(token)).await;
            assert_eq!(status != 403, may, "{role} {areas:?} {row:?}: {status}");
            assert_ne!(status, 401, "{role} {row:?}");
        }
    }
}

#[test]
fn nothing_is_routed_but_by_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Metrics are served at an address of their own.
            let apart = ["routes.rs", "metrics.rs"].iter().any(|name| path.ends_with(name));
            if apart || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for way in [".route(", ".route_service(", ".nest(", ".nest_service(", ".merge("] {
                if source.contains(way) {
                    found.push(format!("{}: {way}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn every_form_of_the_newsroom_posts_to_a_row_of_the_table() {
    let stage = Stage::new().await;
    let mut ada = stage.owner("ada").await;
    let rows = table(&stage.cx).rows;
    for row in rows.iter().filter(|row| row.method == "GET" && row.path.starts_with("/admin")) {
        let page = ada.opens(&path(row)).await;
        for action in page.body.split("<form ").skip(1) {
            let action = action.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
            let parts: Vec<_> = action.split('/').collect();
            let fits = |pattern: &str| {
                let pattern: Vec<_> = pattern.split('/').collect();
                pattern.len() == parts.len()
                    && pattern.iter().zip(&parts).all(|(a, b)| a == b || a.starts_with('{'))
            };
            assert!(rows.iter().any(|row| fits(row.path)), "{}: {action}", row.path);
        }
    }
}
