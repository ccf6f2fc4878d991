//! The templates of mails (tera): the built-in ones, those that the operator put in their place, and how a rendered
//! page becomes HTML that holds in mail clients (its style sheet inlined) and text that is pleasant to read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use css_inline::CSSInliner;
use tera::{Context, Tera};

/// The longest output of a template, in bytes.
const LONGEST: usize = 2 * 1024 * 1024;

/// Why a mail could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The message names the template, the line, and what is wrong there.
    #[error("a mail template has an error: {0}")]
    Template(String),
    #[error("{} is not the name of a mail template; there are: {}", .0.display(), names())]
    Unknown(PathBuf),
    #[error("can't read the mail template {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the mail template {0} gave more than {LONGEST} bytes")]
    TooLong(String),
    #[error("digest/{file} must mark where \"{fragment}\" begins, once, as the built-in template does")]
    Unmarked { file: &'static str, fragment: String },
    #[error(
        "{template}, or the {layout} around it, must show {{{{ {name} }}}} as the built-in one does: {why}"
    )]
    Lacks { template: String, layout: String, name: &'static str, why: &'static str },
    #[error("the style sheet of {template} can't be inlined: {error}")]
    Style { template: String, error: css_inline::InlineError },
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// Every template by its name, which is its path in `email-templates/` and in the operator's folder.
        const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/email-templates/", $name)))),+];
    };
}

built_in![
    "layout.html",
    "layout.txt",
    "alert/subject.txt",
    "alert/body.html",
    "alert/body.txt",
    "broadcast/subject.txt",
    "broadcast/body.html",
    "broadcast/body.txt",
    "confirmation/subject.txt",
    "confirmation/body.html",
    "confirmation/body.txt",
    "digest/subject.txt",
    "digest/body.html",
    "digest/body.txt",
    "notice/subject.txt",
    "notice/body.html",
    "notice/body.txt",
    "account/subject.txt",
    "account/body.html",
    "account/body.txt",
];

fn names() -> String {
    BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// All templates, parsed.
pub(super) struct Templates {
    tera: Tera,
    inliner: CSSInliner<'static>,
}

impl Templates {
    /// The built-in templates with those in `folder` in place of the ones of the same name.
    ///
    /// # Errors
    /// A file that can't be read, that has no built-in counterpart, or that doesn't parse. Names that begin with a dot
    /// are passed over: editors, file managers and Kubernetes leave them behind.
    pub fn load(folder: Option<&Path>) -> Result<Self, ComposeError> {
        let mut sources: Vec<(&str, String)> =
            BUILT_IN.iter().map(|(name, source)| (*name, (*source).to_owned())).collect();
        if let Some(folder) = folder {
            replace_from(folder, folder, &mut sources)?;
        }
        let mut tera = Tera::new();
        tera.autoescape_on([".html"]);
        tera.add_raw_templates(sources).map_err(|error| ComposeError::Template(error.to_string()))?;
        let inliner = CSSInliner::options()
            .keep_style_tags(false)
            .keep_at_rules(true)
            .load_remote_stylesheets(false)
            .minify_css(true)
            .build();
        Ok(Self { tera, inliner })
    }

    /// One line of text.
    pub fn subject(&self, kind: &str, context: &Context) -> Result<String, ComposeError> {
        self.render(&format!("{kind}/subject.txt"), context)
    }

    /// The text part as the template gives it, to be made [`tidy`](super::text::tidy).
    pub fn text(&self, kind: &str, context: &Context) -> Result<String, ComposeError> {
        self.render(&format!("{kind}/body.txt"), context)
    }

    /// The HTML part, its style sheet inlined but for the rules of media (dark mode, phones), which stay in its head.
    pub fn html(&self, kind: &str, context: &Context) -> Result<String, ComposeError> {
        let template = format!("{kind}/body.html");
        let page = self.render(&template, context)?;
        self.inliner.inline(&page).map_err(|error| ComposeError::Style { template, error })
    }

    fn render(&self, template: &str, context: &Context) -> Result<String, ComposeError> {
        let mut output = Limited(Vec::new());
        let rendered = self.tera.render_to(template, context, &mut output);
        if output.0.len() >= LONGEST {
            return Err(ComposeError::TooLong(template.to_owned()));
        }
        rendered.map_err(|error| ComposeError::Template(error.to_string()))?;
        Ok(String::from_utf8_lossy(&output.0).into_owned())
    }
}

/// Takes what fits and refuses the rest, so that a loop in a template ends.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(LONGEST - self.0.len());
        self.0.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn replace_from(root: &Path, folder: &Path, sources: &mut [(&str, String)]) -> Result<(), ComposeError> {
    let unreadable = |path: &Path, error| ComposeError::Unreadable { path: path.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            replace_from(root, &path, sources)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        match sources.iter_mut().find(|(known, _)| Path::new(known) == name) {
            Some((_, source)) => {
                *source = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?
            }
            None => return Err(ComposeError::Unknown(path)),
        }
    }
    Ok(())
}
