//! `bellwether token`: keys to the API.

use super::{Failure, Surroundings, print, print_json, words};
use crate::domain::token::{Role, api_token, sha256};
use crate::store;

/// Make, list and revoke tokens for the API
#[derive(clap::Subcommand)]
pub(super) enum Token {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token and print it, alone on standard output, this once
///
/// Only its hash is stored: keep it where the site's other secrets are. A site that sends it may do what its role says:
/// owner and editor send mail to readers, contributor adds posts, viewer reads.
///
/// Example:
///   bellwether token create --name "news site" --role editor > token.txt
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Create {
    /// Who will use it; shown in lists
    #[arg(long, value_parser = name)]
    name: String,
    /// What it may do
    #[arg(long, value_parser = words::<Role>(Role::WORDS))]
    role: Role,
}

/// List the tokens, without what they are
#[derive(clap::Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Revoke every token of that name; whoever sends one is refused from now on
#[derive(clap::Args)]
pub(super) struct Revoke {
    /// As the list shows it
    name: String,
}

impl Token {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(surroundings).await,
            Self::List(list) => list.run(surroundings).await,
            Self::Revoke(revoke) => revoke.run(surroundings).await,
        }
    }
}

impl Create {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let token = api_token(surroundings.entropy.bytes());
        surroundings
            .with_database(async |cx| {
                let mut tx = cx.db.begin().await?;
                let hash = sha256(token.as_bytes());
                store::tokens::insert(&mut tx, &self.name, self.role, &hash, cx.clock.now(), None).await?;
                Ok(tx.commit().await?)
            })
            .await?;
        print(token)
    }
}

impl List {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let tokens = surroundings
            .with_database(async |cx| {
                let mut tx = cx.db.read().await?;
                Ok(store::tokens::all(&mut tx, cx.clock.now()).await?)
            })
            .await?;
        if self.json {
            return print_json(&tokens);
        }
        if tokens.is_empty() {
            return print(
                "There is no token yet. Make one with: bellwether token create --name NAME --role ROLE",
            );
        }
        for token in tokens {
            let used =
                token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
            let ends = token.expires_at.map_or_else(String::new, |at| format!(", ends {at}"));
            print(format_args!("{:<11} {}  ({used}{ends})", token.role, token.name))?;
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let revoked = surroundings
            .with_database(async |cx| {
                let mut tx = cx.db.begin().await?;
                let revoked = store::tokens::revoke(&mut tx, &self.name).await?;
                tx.commit().await?;
                Ok(revoked)
            })
            .await?;
        match revoked {
            0 => Err(Failure::Failed(format!(
                "there is no token \"{}\"; `bellwether token list` shows them",
                self.name
            ))),
            1 => print("Revoked 1 token."),
            more => print(format_args!("Revoked {more} tokens.")),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("must be 1 to 100 characters on one line".to_owned());
    }
    Ok(name.to_owned())
}
