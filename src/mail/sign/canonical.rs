//! The relaxed canonical forms (RFC 6376, sections 3.4.2 and 3.4.4), written piece by piece to whoever wants them.

/// The fields of a message's header, each with its line ends, and its body.
pub(super) fn split(message: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut fields = Vec::with_capacity(24);
    let (mut begin, mut line) = (0, 0);
    while let Some(length) = message[line..].iter().position(|byte| *byte == b'\n') {
        let end = line + length + 1;
        if &message[line..end] == b"\r\n" {
            return (fields, &message[end..]);
        }
        if !matches!(message.get(end), Some(b' ' | b'\t')) {
            fields.push(&message[begin..end]);
            begin = end;
        }
        line = end;
    }
    (fields, &[])
}

/// A field's name.
pub(super) fn name(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end()
}

/// A field without its last line's end: the name in lower case, the value unfolded, a space for each run of white space,
/// none at either end.
pub(super) fn field(field: &[u8], mut write: impl FnMut(&[u8])) {
    let value = field.iter().position(|byte| *byte == b':').map_or(field, |colon| &field[colon + 1..]);
    write(&name(field).to_ascii_lowercase());
    let words =
        value.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
    let mut before: &[u8] = b":";
    for word in words {
        write(before);
        write(word);
        before = b" ";
    }
    if before == b":" {
        write(before);
    }
}

/// A body: no white space at the ends of lines, a space for each run of it, no empty lines at the end.
pub(super) fn body(body: &[u8], mut write: impl FnMut(&[u8])) {
    let Some(last) = body.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) else {
        return;
    };
    let body = &body[..=last];
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    // Most of a body is as it should be and is written in long pieces: this is where the next one begins.
    let mut piece = 0;
    let mut at = 0;
    while let Some(found) = body[at..].iter().position(is_blank) {
        let begin = at + found;
        let end = begin + body[begin..].iter().take_while(|byte| is_blank(byte)).count();
        at = end;
        let ends_line = body[end..].starts_with(b"\r\n");
        if &body[begin..end] == b" " && !ends_line {
            continue;
        }
        write(&body[piece..begin]);
        if !ends_line {
            write(b" ");
        }
        piece = end;
    }
    write(&body[piece..]);
    write(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(canonical: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
        let mut bytes = Vec::new();
        canonical(&mut |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_comes_out_as_it_says() {
        // RFC 6376, section 3.4.5.
        let (fields, rest) = split(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n");
        let header: Vec<_> = fields.iter().map(|f| written(|write| field(f, write))).collect();
        assert_eq!(header, ["a:X", "b:Y Z"]);
        assert_eq!(written(|write| body(rest, write)), " C\r\nD E\r\n");
    }

    #[test]
    fn a_body_of_nothing_is_nothing_and_any_other_ends_in_one_line_end() {
        for empty in ["", "\r\n", "\r\n\r\n", " \t\r\n \r\n"] {
            assert_eq!(written(|write| body(empty.as_bytes(), write)), "", "{empty:?}");
        }
        for (text, canonical) in [
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a \r\n\t\r\n", "a\r\n"),
            ("\r\n\r\na", "\r\n\r\na\r\n"),
            ("\ta\t b  c\r\n  \r\nd", " a b c\r\n\r\nd\r\n"),
        ] {
            assert_eq!(written(|write| body(text.as_bytes(), write)), canonical, "{text:?}");
        }
    }

    #[test]
    fn a_field_may_be_empty_and_keeps_its_colons() {
        assert_eq!(written(|write| field(b"Subject:\r\n", write)), "subject:");
        assert_eq!(written(|write| field(b"X:  a:b \r\n :c\r\n", write)), "x:a:b :c");
    }
}
