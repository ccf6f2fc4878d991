//! What a signature costs: whole mails of about 10 KB signed with RSA-2048, with Ed25519 and with both, against the bare
//! RSA operation of the library on a ready digest, and against copying the mail. `cargo bench --bench sign`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use bellwether::config::{Dkim, DkimKey};
use bellwether::domain::{signing_key::SigningKey, time::Timestamp};
use bellwether::mail::sign::Signer;

const ROUNDS: usize = 5;
const MESSAGES: usize = 1_000;

fn main() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let rsa = key("rsa", pair.as_der().expect("it encodes"));
    let ed = key("ed", Ed25519KeyPair::generate().and_then(|pair| pair.as_der()).expect("a key"));
    let signers = [vec![rsa.clone()], vec![ed.clone()], vec![rsa, ed]]
        .map(|keys| Signer::new(&Dkim { domain: "example.org".to_owned(), keys }));
    let message = message();
    let ready = digest(&SHA256, &message);
    println!("one mail: {} bytes; {ROUNDS} rounds of {MESSAGES}, in turns; medians", message.len());

    let at = Timestamp::from_micros(1_793_000_000_000_000);
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for round in 1..=ROUNDS {
        let [mut bare, mut copy, mut rsa, mut ed, mut both] = [const { Vec::new() }; 5];
        for _ in 0..MESSAGES {
            bare.push(timed(|| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, &ready, &mut signature).expect("it signs");
                signature
            }));
            copy.push(timed(|| message.clone()));
            for (signer, times) in signers.iter().zip([&mut rsa, &mut ed, &mut both]) {
                times.push(timed(|| signer.sign(signer.selectors(), &message, at)));
            }
        }
        let [bare, copy, rsa, ed, both] = [bare, copy, rsa, ed, both].map(median);
        println!(
            "round {round}: bare RSA {bare:.1?}, copy {copy:.1?}; RSA {rsa:.1?}, Ed25519 {ed:.1?}, both {both:.1?}"
        );
        for (all, time) in ratios.iter_mut().zip([rsa, ed, both]) {
            all.push(time.as_secs_f64() / bare.as_secs_f64());
        }
    }
    for (name, ratios) in ["RSA", "Ed25519", "both"].iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        println!(
            "{name} / bare RSA: min {:.2}, median {:.2}, max {:.2}",
            ratios[0],
            ratios[ROUNDS / 2],
            ratios[ROUNDS - 1]
        );
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// What other work on the machine disturbs least.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn key(selector: &str, der: Pkcs8V1Der) -> DkimKey {
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let key = SigningKey::from_pem(&pem).expect("a key of ours");
    DkimKey { selector: selector.to_owned(), key, retired: false }
}

/// A mail with the header that ours have, and lines of quoted-printable text with the indentation of HTML.
fn message() -> Vec<u8> {
    let line = "First counts are expected at nine. Lines at the harbour were long, and=\r\n";
    let html = "  <tr><td style=3D\"padding:8px\">Results follow after midnight.</td></tr>\r\n";
    format!(
        "Date: Sun, 25 Oct 2026 14:13:20 +0000\r\n\
         From: Election Desk <desk@example.org>\r\n\
         To: reader@example.org\r\n\
         Subject: Polls are closed\r\n\
         Message-ID: <12345678.00000000-0000-0000-0000-000000000001@example.org>\r\n\
         List-Id: Election Desk <list.news.example.org>\r\n\
         List-Unsubscribe: <https://news.example.org/unsubscribe/{0}>\r\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
         Feedback-ID: 00000000-0000-0000-0000-000000000001:alert:bellwether\r\n\
         Precedence: bulk\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative;\r\n boundary=\"=_1\"\r\n\
         \r\n--=_1\r\n{1}\r\n--=_1\r\n{2}\r\n--=_1--\r\n",
        "A".repeat(64),
        line.repeat(60),
        html.repeat(70)
    )
    .into_bytes()
}
