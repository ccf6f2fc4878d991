//! The people of the newsroom in their browsers: each with one cookie, sending the forms that pages show them.

use std::net::IpAddr;
use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use bellwether::audit::Actor;
use bellwether::domain::{role::Role, totp};
use bellwether::newsroom::people as newsroom;
use bellwether::store::{self, users::User};

use super::Stage;
use super::people::{FORM, Page, encoded};

/// Everybody's, in stories.
pub const PASSWORD: &str = "a quiet ferry at noon";

/// It as it is kept, at the least cost that there is: a hash says with what it was made, and hundreds of stories begin with
/// somebody who signs in.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let least = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None).unwrap();
    let salt = SaltString::encode_b64(&[7; 16]).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, least);
    argon2.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
});

/// Somebody's browser.
pub struct Colleague<'a> {
    stage: &'a Stage,
    pub email: String,
    peer: IpAddr,
    cookie: String,
}

impl Stage {
    /// Signed in.
    pub async fn owner(&self, name: &str) -> Colleague<'_> {
        self.colleague(name, Role::Owner).await
    }

    pub async fn editor(&self, name: &str) -> Colleague<'_> {
        self.colleague(name, Role::Editor).await
    }

    pub async fn contributor(&self, name: &str) -> Colleague<'_> {
        self.colleague(name, Role::Contributor).await
    }

    pub async fn viewer(&self, name: &str) -> Colleague<'_> {
        self.colleague(name, Role::Viewer).await
    }

    /// Somebody with a password, signed in; `ada` has the address ada@example.org.
    pub async fn colleague(&self, name: &str, role: Role) -> Colleague<'_> {
        self.employs(name, role).await;
        let mut colleague = self.browser(name);
        let page = colleague.signs_in(PASSWORD).await;
        assert_eq!(page.header("location"), "/admin", "{}", page.body);
        colleague
    }

    /// Somebody with a password who isn't signed in.
    pub async fn employs(&self, name: &str, role: Role) -> User {
        let email = format!("{name}@example.org");
        let user = newsroom::create(&self.cx, &Actor::command(), &email, name, role, None).await.unwrap();
        let mut tx = self.cx.db.begin().await.unwrap();
        store::users::set_password(&mut tx, user.id, &HASH).await.unwrap();
        tx.commit().await.unwrap();
        self.user(name).await
    }

    /// A browser without a cookie.
    pub fn browser(&self, name: &str) -> Colleague<'_> {
        self.browser_from(name, "192.0.2.10")
    }

    pub fn browser_from(&self, name: &str, peer: &str) -> Colleague<'_> {
        let (email, peer) = (format!("{name}@example.org"), peer.parse().unwrap());
        Colleague { stage: self, email, peer, cookie: String::new() }
    }

    pub async fn user(&self, name: &str) -> User {
        let mut tx = self.cx.db.read().await.unwrap();
        store::users::by_email_key(&mut tx, &format!("{name}@example.org")).await.unwrap().unwrap()
    }

    /// The log of changes, the oldest first, as in "ada@example.org: role changed user bob@example.org".
    pub async fn changes(&self) -> Vec<String> {
        use store::audit::Sought;
        let mut tx = self.cx.db.read().await.unwrap();
        let entries = store::audit::page(&mut tx, &Sought::default(), i64::MAX, 1_000).await.unwrap();
        let line = |entry: &store::audit::Entry| {
            format!("{}: {} {} {}", entry.actor, entry.action, entry.subject_kind, entry.subject)
        };
        entries.iter().rev().map(line).collect()
    }
}

impl Colleague<'_> {
    /// Opens a page.
    pub async fn opens(&mut self, path: &str) -> Page {
        let page = self.stage.request(self.peer, self.with_cookie(Request::get(path)), "").await;
        self.keep(&page);
        page
    }

    /// The beginning of a stream of events.
    pub async fn listens(&self, path: &str) -> Response {
        self.stage
            .send_from(self.peer, self.with_cookie(Request::get(path)).body(Body::empty()).unwrap())
            .await
    }

    /// Opens the page at `path` and sends its form to `action` with these fields, as in `name=Ada&role=owner`.
    pub async fn sends(&mut self, path: &str, action: &str, fields: &str) -> Page {
        let page = self.opens(path).await;
        let token = form_token(&page.body);
        self.posts(action, &format!("csrf={token}&{fields}")).await
    }

    /// The same where the form stands on the page that it is sent to.
    pub async fn fills_in(&mut self, path: &str, fields: &str) -> Page {
        self.sends(path, path, fields).await
    }

    /// Sends a body as it is, as a browser does from a page of ours.
    pub async fn posts(&mut self, action: &str, body: &str) -> Page {
        self.posts_from("https://news.example.org", "same-origin", action, body).await
    }

    pub async fn posts_from(&mut self, origin: &str, site: &str, action: &str, body: &str) -> Page {
        let request = self
            .with_cookie(Request::post(action))
            .header("content-type", FORM)
            .header("origin", origin)
            .header("sec-fetch-site", site);
        let page = self.stage.request(self.peer, request, body).await;
        self.keep(&page);
        page
    }

    /// Opens the page at `path` and sends its form with files to `action`: (name, value), and (name, file name, text).
    pub async fn uploads(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &str, &str)>,
    ) -> Page {
        let token = form_token(&self.opens(path).await.body);
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        if let Some((name, file, text)) = file {
            body += &format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: text/csv\r\n\r\n{text}\r\n"
            );
        }
        body += "--edge--\r\n";
        let request = self
            .with_cookie(Request::post(format!("{path}?csrf={}", encoded(&token))))
            .header("content-type", "multipart/form-data; boundary=edge")
            .header("origin", "https://news.example.org")
            .header("sec-fetch-site", "same-origin");
        let page = self.stage.request(self.peer, request, &body).await;
        self.keep(&page);
        page
    }

    pub async fn signs_in(&mut self, password: &str) -> Page {
        let fields = format!("email={}&password={}", encoded(&self.email), encoded(password));
        self.fills_in("/admin/login", &fields).await
    }

    /// What the app on the phone shows now.
    pub async fn code(&self) -> String {
        let name = self.email.split('@').next().unwrap();
        let secret = self.stage.user(name).await.totp_secret.unwrap();
        totp::code_at(&secret, self.stage.now())
    }

    /// Sets up the second factor, and gives the recovery codes.
    pub async fn sets_up_codes(&mut self) -> Vec<String> {
        let path = "/admin/account/codes";
        assert_eq!(self.sends(path, "/admin/account/codes/begin", "").await.status, 303);
        let code = self.code().await;
        let page = self.sends(path, "/admin/account/codes/confirm", &format!("code={code}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let codes = page.body.split("<ul class=\"paper\">").nth(1).unwrap().split("</ul>").next().unwrap();
        codes.split("<li>").skip(1).map(|it| it.split('<').next().unwrap().to_owned()).collect()
    }

    /// Whether the overview opens.
    pub async fn is_in(&mut self) -> bool {
        self.opens("/admin").await.status == 200
    }

    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Another browser with this one's cookie.
    pub fn stolen(&self) -> Self {
        Self { stage: self.stage, email: self.email.clone(), peer: self.peer, cookie: self.cookie.clone() }
    }

    fn with_cookie(&self, request: axum::http::request::Builder) -> axum::http::request::Builder {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let request = request.header("user-agent", agent);
        if self.cookie.is_empty() { request } else { request.header("cookie", &self.cookie) }
    }

    fn keep(&mut self, page: &Page) {
        for set in page.headers.get_all("set-cookie") {
            self.cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
    }
}

/// The token of a page's forms.
pub fn form_token(html: &str) -> String {
    let after = html.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form in {html}"));
    after.split('"').next().unwrap().to_owned()
}
