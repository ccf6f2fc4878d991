//! One table of everything that the web answers: method, path, who may, and what answers. A route is made by a row of
//! it and in no other way, so nothing is reachable of which it isn't said who may.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

use super::{admin, api, public};
use crate::context::Context;
use crate::domain::role::{Area, Right};
use Right::{Compose, Manage, Read, Release};
use Who::{Anyone, HalfWay, Link, SignedIn, Token, User, Visitor};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Anyone,
    /// Whoever holds the link that is its address.
    Link,
    /// A program with an API token of this right, kept to none or to this area.
    Token(Right, Area),
    /// Who isn't signed in, by forms that no other site can send.
    Visitor,
    /// Whose password was right.
    HalfWay,
    /// Who is signed in with all factors they have, also where one more is asked of them.
    SignedIn,
    /// Who is signed in with all that is asked of them, and has this right.
    User(Right),
}

/// A route and who may.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
}

/// The routes, and the rows that made them.
pub struct Table {
    cx: Context,
    pub router: Router<Context>,
    pub rows: Vec<Row>,
}

/// Everything, in the order: for readers and the site, for programs, for the newsroom.
pub fn table(cx: &Context) -> Table {
    use admin::{
        account, audit, codes, deliveries, desk, desk_reader, imports, issues as published, links, lists,
        live, overview, race, races, sign_in, sources, subscribers, tokens, users,
    };
    use api::{alerts, docs, drafts, issues, openapi, posts};
    use public::{archive, confirm, issue, preferences, sign_up, unsubscribe};
    let t = Table { cx: cx.clone(), router: Router::new(), rows: Vec::new() };
    let t = t
        .get("/", Anyone, sign_up::page)
        .get("/embed", Anyone, sign_up::embed)
        .post("/subscribe", Anyone, sign_up::subscribe)
        .options("/subscribe", Anyone, sign_up::preflight)
        .get("/confirm/{token}", Link, confirm::page)
        .post("/confirm/{token}", Link, confirm::confirm)
        .post("/confirm/{token}/renew", Link, confirm::renew)
        .post("/confirm/{token}/refuse", Link, confirm::refuse)
        .get("/unsubscribe/{token}", Link, unsubscribe::page)
        .post("/unsubscribe/{token}", Link, unsubscribe::unsubscribe)
        .get("/preferences/{token}", Link, preferences::page)
        .post("/preferences/{token}", Link, preferences::save)
        .get("/a/{issue}", Anyone, issue::page)
        .get("/archive", Anyone, archive::page)
        .get("/archive/feed.atom", Anyone, archive::feed)
        .get("/robots.txt", Anyone, super::robots)
        .get("/healthz", Anyone, super::alive)
        .get("/readyz", Anyone, super::ready)
        .get("/static/{name}", Anyone, super::asset);
    let t = t
        .get("/api/v1/openapi.json", Anyone, openapi::show)
        .get("/api/v1/docs", Anyone, docs::page)
        // A post with `alert`, and an alert that is no dry run, are for who may release; their handlers say so.
        .get("/api/v1/posts", Token(Read, Area::Posts), posts::list)
        .post("/api/v1/posts", Token(Compose, Area::Posts), posts::push)
        .post("/api/v1/alerts", Token(Compose, Area::Alerts), alerts::send)
        .post("/api/v1/alerts/test", Token(Compose, Area::Alerts), alerts::test)
        .get("/api/v1/issues", Token(Read, Area::Issues), issues::list)
        .get("/api/v1/issues/{id}", Token(Read, Area::Issues), issues::show)
        .patch("/api/v1/issues/{id}", Token(Release, Area::Issues), issues::edit)
        .get("/api/v1/issues/{id}/deliveries", Token(Read, Area::Issues), issues::deliveries)
        .get("/api/v1/issues/{id}/events", Token(Read, Area::Issues), issues::events)
        .post("/api/v1/issues/{id}/undo", Token(Release, Area::Issues), issues::undo)
        .post("/api/v1/issues/{id}/cancel", Token(Release, Area::Issues), issues::cancel)
        .post("/api/v1/issues/{id}/retry", Token(Release, Area::Issues), issues::retry)
        .get("/api/v1/drafts", Token(Read, Area::Alerts), drafts::list)
        .post("/api/v1/drafts", Token(Compose, Area::Alerts), drafts::create)
        .get("/api/v1/drafts/{id}", Token(Read, Area::Alerts), drafts::show)
        .patch("/api/v1/drafts/{id}", Token(Compose, Area::Alerts), drafts::edit)
        .delete("/api/v1/drafts/{id}", Token(Compose, Area::Alerts), drafts::discard)
        .post("/api/v1/drafts/{id}/restore", Token(Compose, Area::Alerts), drafts::restore)
        .post("/api/v1/drafts/{id}/test", Token(Compose, Area::Alerts), drafts::test)
        .post("/api/v1/drafts/{id}/ask", Token(Compose, Area::Alerts), drafts::ask)
        .post("/api/v1/drafts/{id}/release", Token(Release, Area::Alerts), drafts::release);
    let t = programs(t);
    t.get("/admin/", Anyone, admin::home)
        .get("/admin/login", Visitor, sign_in::page)
        .post("/admin/login", Visitor, sign_in::sign_in)
        .get("/admin/login/code", HalfWay, sign_in::code_page)
        .post("/admin/login/code", HalfWay, sign_in::second_step)
        .post("/admin/logout", HalfWay, sign_in::sign_out)
        .get("/admin/forgotten", Visitor, links::forgotten_page)
        .post("/admin/forgotten", Visitor, links::forgotten)
        .get("/admin/link/{token}", Visitor, links::page)
        .post("/admin/link/{token}", Visitor, links::accept)
        .get("/admin/account", SignedIn, account::page)
        .post("/admin/account/name", SignedIn, account::rename)
        .post("/admin/account/password", SignedIn, account::change_password)
        .post("/admin/account/sessions/end", SignedIn, account::end_others)
        .post("/admin/account/sessions/{id}/end", SignedIn, account::end_session)
        .get("/admin/account/codes", SignedIn, codes::page)
        .post("/admin/account/codes/begin", SignedIn, codes::begin)
        .post("/admin/account/codes/confirm", SignedIn, codes::confirm)
        .post("/admin/account/codes/renew", SignedIn, codes::renew)
        .post("/admin/account/codes/end", SignedIn, codes::turn_off)
        .get("/admin", User(Read), overview::page)
        .get("/admin/desk", User(Read), desk::page)
        .post("/admin/desk", User(Compose), desk::create)
        .get("/admin/desk/{id}", User(Read), desk_reader::page)
        .post("/admin/desk/{id}", User(Compose), desk::save)
        .get("/admin/desk/{id}/mail", User(Read), desk_reader::mail)
        .post("/admin/desk/{id}/test", User(Compose), desk::test)
        .post("/admin/desk/{id}/ask", User(Compose), desk::ask)
        .post("/admin/desk/{id}/release", User(Release), desk::release)
        .post("/admin/desk/{id}/discard", User(Compose), desk::discard)
        .post("/admin/desk/{id}/restore", User(Compose), desk::restore)
        .get("/admin/races", User(Read), races::page)
        .post("/admin/races", User(Release), races::create)
        .get("/admin/races/{id}", User(Read), race::page)
        .get("/admin/races/{id}/state", User(Read), race::state)
        .get("/admin/races/{id}/events", User(Read), race::events)
        .post("/admin/races/{id}", User(Release), race::save)
        .post("/admin/races/{id}/outcomes", User(Compose), race::add)
        .post("/admin/races/{id}/moment", User(Manage), race::move_to)
        .post("/admin/races/{id}/close", User(Release), race::close)
        .post("/admin/races/{id}/reopen", User(Release), race::reopen)
        .get("/admin/live/{issue}", User(Read), live::page)
        .get("/admin/live/{issue}/state", User(Read), live::state)
        .get("/admin/live/{issue}/events", User(Read), live::events)
        .post("/admin/live/{issue}/undo", User(Release), live::undo)
        .post("/admin/live/{issue}/pause", User(Release), live::pause)
        .post("/admin/live/{issue}/resume", User(Release), live::resume)
        .post("/admin/live/{issue}/stop", User(Release), live::stop)
        .post("/admin/live/{issue}/correct", User(Release), live::correct)
        .post("/admin/resume", User(Release), overview::resume)
        .get("/admin/issues", User(Read), published::page)
        .get("/admin/issues/{id}", User(Read), published::one)
        .get("/admin/issues/{id}/mail", User(Read), published::mail)
        .post("/admin/issues/{id}/retry", User(Release), published::retry)
        .post("/admin/issues/{id}/archive", User(Release), published::archive)
        .get("/admin/deliveries/{id}", User(Read), deliveries::one)
        .post("/admin/deliveries/{id}/retry", User(Release), deliveries::retry)
        .get("/admin/subscribers", User(Read), subscribers::page)
        .post("/admin/subscribers/export", User(Manage), lists::export)
        .get("/admin/subscribers/import", User(Manage), lists::import_page)
        .post("/admin/subscribers/import", User(Manage), lists::import)
        .get("/admin/subscribers/import/{id}", User(Manage), imports::page)
        .get("/admin/subscribers/import/{id}/state", User(Manage), imports::state)
        .get("/admin/subscribers/{id}", User(Read), subscribers::one)
        .post("/admin/subscribers/{id}/suppress", User(Release), subscribers::suppress)
        .post("/admin/subscribers/{id}/erase", User(Manage), subscribers::erase)
        .get("/admin/sources", User(Read), sources::page)
        .get("/admin/sources/topics", User(Manage), sources::topics::new)
        .post("/admin/sources/topics", User(Manage), sources::topics::create)
        .get("/admin/sources/topics/{slug}", User(Manage), sources::topics::one)
        .post("/admin/sources/topics/{slug}", User(Manage), sources::topics::change)
        .post("/admin/sources/topics/{slug}/retire", User(Manage), sources::topics::retire)
        .post("/admin/sources/topics/{slug}/restore", User(Manage), sources::topics::restore)
        .get("/admin/sources/feeds", User(Manage), sources::feeds::new)
        .post("/admin/sources/feeds", User(Manage), sources::feeds::create)
        .get("/admin/sources/feeds/{id}", User(Manage), sources::feeds::one)
        .post("/admin/sources/feeds/{id}", User(Manage), sources::feeds::change)
        .post("/admin/sources/feeds/{id}/retire", User(Manage), sources::feeds::retire)
        .post("/admin/sources/feeds/{id}/restore", User(Manage), sources::feeds::restore)
        .get("/admin/sources/schedules", User(Manage), sources::schedules::new)
        .post("/admin/sources/schedules", User(Manage), sources::schedules::create)
        .get("/admin/sources/schedules/{id}", User(Read), sources::schedules::one)
        .post("/admin/sources/schedules/{id}", User(Manage), sources::schedules::change)
        .post("/admin/sources/schedules/{id}/retire", User(Manage), sources::schedules::retire)
        .post("/admin/sources/schedules/{id}/restore", User(Manage), sources::schedules::restore)
        .get("/admin/users", User(Manage), users::page)
        .post("/admin/users", User(Manage), users::invite)
        .get("/admin/users/{id}", User(Manage), users::one)
        .post("/admin/users/{id}/role", User(Manage), users::change_role)
        .post("/admin/users/{id}/link", User(Manage), users::send_link)
        .post("/admin/users/{id}/forget-codes", User(Manage), users::forget_codes)
        .post("/admin/users/{id}/disable", User(Manage), users::disable)
        .post("/admin/users/{id}/enable", User(Manage), users::enable)
        .get("/admin/tokens", User(Manage), tokens::page)
        .post("/admin/tokens", User(Manage), tokens::create)
        .post("/admin/tokens/{id}/revoke", User(Manage), tokens::revoke)
        .get("/admin/audit", User(Manage), audit::page)
}

/// For programs, what the newsroom has beside its desk.
fn programs(t: Table) -> Table {
    use api::{
        audit, draft_views, issue_views, lists, overview, races, sources, subscribers, tokens, under_way,
        users,
    };
    t.get("/api/v1/topics", Token(Read, Area::Sources), sources::topics::list)
        .post("/api/v1/topics", Token(Manage, Area::Sources), sources::topics::create)
        .get("/api/v1/topics/{slug}", Token(Read, Area::Sources), sources::topics::show)
        .patch("/api/v1/topics/{slug}", Token(Manage, Area::Sources), sources::topics::change)
        .post("/api/v1/topics/{slug}/retire", Token(Manage, Area::Sources), sources::topics::retire)
        .post("/api/v1/topics/{slug}/restore", Token(Manage, Area::Sources), sources::topics::restore)
        .get("/api/v1/feeds", Token(Read, Area::Sources), sources::feeds::list)
        .post("/api/v1/feeds", Token(Manage, Area::Sources), sources::feeds::create)
        .get("/api/v1/feeds/{id}", Token(Read, Area::Sources), sources::feeds::show)
        .patch("/api/v1/feeds/{id}", Token(Manage, Area::Sources), sources::feeds::change)
        .post("/api/v1/feeds/{id}/retire", Token(Manage, Area::Sources), sources::feeds::retire)
        .post("/api/v1/feeds/{id}/restore", Token(Manage, Area::Sources), sources::feeds::restore)
        .get("/api/v1/schedules", Token(Read, Area::Sources), sources::schedules::list)
        .post("/api/v1/schedules", Token(Manage, Area::Sources), sources::schedules::create)
        .get("/api/v1/schedules/{name}", Token(Read, Area::Sources), sources::schedules::show)
        .patch("/api/v1/schedules/{name}", Token(Manage, Area::Sources), sources::schedules::change)
        .get("/api/v1/schedules/{name}/preview", Token(Read, Area::Sources), sources::schedules::preview)
        .post("/api/v1/schedules/{name}/retire", Token(Manage, Area::Sources), sources::schedules::retire)
        .post("/api/v1/schedules/{name}/restore", Token(Manage, Area::Sources), sources::schedules::restore)
        .get("/api/v1/subscribers", Token(Read, Area::Subscribers), subscribers::list)
        .post("/api/v1/subscribers/import", Token(Manage, Area::Subscribers), lists::import)
        .get("/api/v1/subscribers/imports", Token(Manage, Area::Subscribers), lists::imports)
        .post("/api/v1/subscribers/export", Token(Manage, Area::Subscribers), lists::export)
        .get("/api/v1/subscribers/{id}", Token(Read, Area::Subscribers), subscribers::show)
        .get("/api/v1/subscribers/{id}/why", Token(Read, Area::Subscribers), subscribers::why)
        .post("/api/v1/subscribers/{id}/suppress", Token(Release, Area::Subscribers), subscribers::suppress)
        .post("/api/v1/subscribers/{id}/erase", Token(Manage, Area::Subscribers), subscribers::erase)
        .get("/api/v1/users", Token(Manage, Area::Users), users::list)
        .post("/api/v1/users", Token(Manage, Area::Users), users::invite)
        .get("/api/v1/users/{id}", Token(Manage, Area::Users), users::show)
        .post("/api/v1/users/{id}/role", Token(Manage, Area::Users), users::change_role)
        .post("/api/v1/users/{id}/link", Token(Manage, Area::Users), users::send_link)
        .post("/api/v1/users/{id}/forget-codes", Token(Manage, Area::Users), users::forget_codes)
        .get("/api/v1/users/{id}/sessions", Token(Manage, Area::Users), users::sessions)
        .post("/api/v1/users/{id}/sessions/end", Token(Manage, Area::Users), users::end_sessions)
        .post("/api/v1/users/{id}/sessions/{session}/end", Token(Manage, Area::Users), users::end_session)
        .post("/api/v1/users/{id}/disable", Token(Manage, Area::Users), users::disable)
        .post("/api/v1/users/{id}/enable", Token(Manage, Area::Users), users::enable)
        .get("/api/v1/tokens", Token(Manage, Area::Tokens), tokens::list)
        .post("/api/v1/tokens", Token(Manage, Area::Tokens), tokens::create)
        .post("/api/v1/tokens/{id}/revoke", Token(Manage, Area::Tokens), tokens::revoke)
        .get("/api/v1/audit", Token(Manage, Area::Audit), audit::list)
        .post("/api/v1/issues/{id}/pause", Token(Release, Area::Issues), under_way::pause)
        .post("/api/v1/issues/{id}/resume", Token(Release, Area::Issues), under_way::resume)
        .post("/api/v1/issues/{id}/correct", Token(Release, Area::Issues), under_way::correct)
        .get("/api/v1/issues/{id}/progress", Token(Read, Area::Issues), issue_views::progress)
        .get("/api/v1/issues/{id}/curve", Token(Read, Area::Issues), issue_views::curve)
        .get("/api/v1/issues/{id}/mail", Token(Read, Area::Issues), issue_views::mail)
        .get("/api/v1/deliveries/{id}", Token(Read, Area::Issues), issue_views::delivery)
        .post("/api/v1/deliveries/{id}/retry", Token(Release, Area::Issues), issue_views::retry)
        .get("/api/v1/overview", Token(Read, Area::Issues), overview::overview)
        .get("/api/v1/incidents", Token(Read, Area::Issues), overview::incidents)
        .post("/api/v1/lanes/{name}/resume", Token(Release, Area::Issues), overview::resume_lane)
        .post("/api/v1/relays/{name}/resume", Token(Release, Area::Issues), overview::resume_relay)
        .get("/api/v1/drafts/{id}/mail", Token(Read, Area::Alerts), draft_views::mail)
        .get("/api/v1/drafts/{id}/audience", Token(Read, Area::Alerts), draft_views::audience)
        .get("/api/v1/races", Token(Read, Area::Alerts), races::list)
        .post("/api/v1/races", Token(Release, Area::Alerts), races::create)
        .get("/api/v1/races/{id}", Token(Read, Area::Alerts), races::show)
        .patch("/api/v1/races/{id}", Token(Release, Area::Alerts), races::edit)
        .post("/api/v1/races/{id}/moment", Token(Manage, Area::Alerts), races::move_to)
        .post("/api/v1/races/{id}/close", Token(Release, Area::Alerts), races::close)
        .post("/api/v1/races/{id}/reopen", Token(Release, Area::Alerts), races::reopen)
}

impl Table {
    fn get<T: 'static>(self, path: &'static str, who: Who, handler: impl Handler<T, Context>) -> Self {
        self.add("GET", MethodFilter::GET, path, who, handler)
    }

    fn post<T: 'static>(self, path: &'static str, who: Who, handler: impl Handler<T, Context>) -> Self {
        self.add("POST", MethodFilter::POST, path, who, handler)
    }

    fn patch<T: 'static>(self, path: &'static str, who: Who, handler: impl Handler<T, Context>) -> Self {
        self.add("PATCH", MethodFilter::PATCH, path, who, handler)
    }

    fn delete<T: 'static>(self, path: &'static str, who: Who, handler: impl Handler<T, Context>) -> Self {
        self.add("DELETE", MethodFilter::DELETE, path, who, handler)
    }

    fn options<T: 'static>(self, path: &'static str, who: Who, handler: impl Handler<T, Context>) -> Self {
        self.add("OPTIONS", MethodFilter::OPTIONS, path, who, handler)
    }

    fn add<T: 'static>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        who: Who,
        handler: impl Handler<T, Context>,
    ) -> Self {
        let route = on(filter, handler);
        let guarded = match who {
            Anyone | Link => route,
            Token(right, area) => {
                let call = api::caller::Call { method, path, right, area };
                route.route_layer(from_fn_with_state((self.cx.clone(), call), api::caller::admit))
            }
            Visitor | HalfWay | SignedIn | User(_) => {
                route.route_layer(from_fn_with_state((self.cx.clone(), who), admin::gate::admit))
            }
        };
        self.router = self.router.route(path, guarded);
        self.rows.push(Row { method, path, who });
        self
    }
}
