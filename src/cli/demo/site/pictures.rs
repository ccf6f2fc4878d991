//! The drawings beside the articles: a few motifs, each in several lights.

/// Every motif's name and shapes, on a ground of 800 by 450, with the colours left open.
const MOTIFS: [(&str, &str); 7] = [
    ("lighthouse", include_str!("pictures/lighthouse.svg")),
    ("ferry", include_str!("pictures/ferry.svg")),
    ("ballot", include_str!("pictures/ballot.svg")),
    ("debate", include_str!("pictures/debate.svg")),
    ("hall", include_str!("pictures/hall.svg")),
    ("fog", include_str!("pictures/fog.svg")),
    ("results", include_str!("pictures/results.svg")),
];

/// Morning, evening, a clear day, rain.
const LIGHTS: [&str; 4] = [
    "--sky:#f6d9b8;--sea:#4f8a94;--deep:#1f4650;--land:#7b8b6f;--paper:#fff8ec;--accent:#c8553d;--glow:#ffd27a",
    "--sky:#3c4a6b;--sea:#31577a;--deep:#16263a;--land:#5a6480;--paper:#e9e4f0;--accent:#d9775f;--glow:#ffcf70",
    "--sky:#cfe6ee;--sea:#3d85a8;--deep:#174a66;--land:#6f9a72;--paper:#ffffff;--accent:#d1493f;--glow:#ffd95e",
    "--sky:#c9d0cf;--sea:#5f7f86;--deep:#2d434a;--land:#80907f;--paper:#f4f3ec;--accent:#b8634a;--glow:#efd49a",
];

/// The names of all motifs.
pub fn names() -> impl Iterator<Item = &'static str> {
    MOTIFS.iter().map(|(name, _)| *name)
}

/// The drawing of that name in the light of the article's number, as an SVG document; none for an unknown name.
pub fn svg(name: &str, number: usize) -> Option<String> {
    let (_, shapes) = MOTIFS.iter().find(|(motif, _)| *motif == name)?;
    let light = LIGHTS.get(number % LIGHTS.len())?;
    Some(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 450" width="800" height="450"><style>svg{{{light}}}</style>{shapes}</svg>"#
    ))
}
