//! Secrets of the configuration: in files of their own, or from the environment.

use std::fs;

use super::config::{SECRET, SHORT, parse_with};

#[test]
fn secrets_may_stand_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let env = [
        ("BELLWETHER_SERVER__SECRET_FILE", file("secret", &format!("{SECRET}\n"))),
        ("BELLWETHER_SERVER__OLD_SECRETS_FILE", file("old", &format!("{SECRET}1\n{SECRET}2\n"))),
        ("BELLWETHER_DATABASE__URL_FILE", file("database", "postgres://u:p@localhost/news\r\n")),
        ("BELLWETHER_RELAYS__0__URL_FILE", file("relay", "smtp://user@relay.example.org\n")),
        ("BELLWETHER_RELAYS__0__PASSWORD_FILE", file("password", " with spaces \n")),
    ];
    let env: Vec<_> = env.iter().map(|(name, path)| (*name, path.as_str())).collect();
    let text = SHORT.replace("secret =", "# ").replace("url =", "# ");
    let config = parse_with(&text, &env).unwrap();
    assert_eq!(config.server.secret.expose(), SECRET);
    assert_eq!(config.server.old_secrets.len(), 2);
    assert_eq!(config.database.url.expose(), "postgres://u:p@localhost/news");
    let credentials = config.relays[0].credentials.as_ref().unwrap();
    assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("user", " with spaces "));
}

#[test]
fn a_secret_from_the_environment_goes_before_the_files_in_either_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, format!("{SECRET}-from-a-file")).unwrap();
    let path = path.to_str().unwrap();
    let direct = format!("{SECRET}-direct");
    let filed = SHORT.replace("secret =", &format!("secret_file = \"{path}\" #"));
    let config = parse_with(&filed, &[("BELLWETHER_SERVER__SECRET", &direct)]).unwrap();
    assert_eq!(config.server.secret.expose(), direct);
    let config = parse_with(SHORT, &[("BELLWETHER_SERVER__SECRET_FILE", path)]).unwrap();
    assert_eq!(config.server.secret.expose(), format!("{SECRET}-from-a-file"));
    let both = [("BELLWETHER_SERVER__SECRET", direct.as_str()), ("BELLWETHER_SERVER__SECRET_FILE", path)];
    assert!(parse_with(SHORT, &both).unwrap_err().to_string().contains("keep one of the two"));
}
