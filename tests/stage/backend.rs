//! The two databases, and the macro that runs one story on both.

use super::{Setup, Stage, postgres};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// Whether stories can run on it here. Without PostgreSQL that is said once, or fails where `CI` is `true`.
    pub fn is_here(self) -> bool {
        self == Self::Sqlite || postgres::is_here()
    }
}

/// What a story may ask for: a [`Stage`] as it is, or a [`Setup`] to be opened.
pub trait Opened {
    async fn opened(setup: Setup) -> Self;
}

impl Opened for Stage {
    async fn opened(setup: Setup) -> Self {
        setup.open().await
    }
}

impl Opened for Setup {
    async fn opened(setup: Setup) -> Self {
        setup
    }
}

/// Makes of each story two tests, `name::sqlite` and `name::postgres`.
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: $World:ty) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn story($world: $World) $body

            async fn on(backend: crate::stage::Backend) {
                if backend.is_here() {
                    let setup = crate::stage::Setup::on(backend);
                    story(<$World as crate::stage::Opened>::opened(setup).await).await;
                }
            }

            #[tokio::test]
            async fn sqlite() {
                on(crate::stage::Backend::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                on(crate::stage::Backend::Postgres).await;
            }
        }
    )+};
}
pub(crate) use both;
