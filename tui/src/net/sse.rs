//! Server-sent events out of a stream of bytes.

/// Bytes of one line or event; a longer one breaks the stream.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sse {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its data lines, joined.
    pub data: String,
}

/// Splits bytes into events.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    event: Sse,
    has_data: bool,
}

impl SseParser {
    /// Takes the next bytes; events that are complete go to `out`. `false` when an event is longer than any that a daemon sends.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Sse>) -> bool {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() + self.event.data.len() > EVENT_BYTES_MAX {
                    return false;
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            self.take(&String::from_utf8_lossy(line), out);
        }
        true
    }

    fn take(&mut self, line: &str, out: &mut Vec<Sse>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                out.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.event.id = Some(value.to_string()),
            // Comments and the event's name, which the data repeats.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_any_split() {
        let text = b": hi\n\nid: b-1\nevent: queue\ndata: {\"a\":\ndata: 1}\n\r\nid: b-2\r\ndata:x\r\n\r\ndata: cut";
        let want = [
            Sse {
                id: Some("b-1".to_string()),
                data: "{\"a\":\n1}".to_string(),
            },
            Sse {
                id: Some("b-2".to_string()),
                data: "x".to_string(),
            },
        ];
        for step in 1..text.len() {
            let (mut parser, mut out) = (SseParser::default(), Vec::new());
            assert!(text.chunks(step).all(|part| parser.feed(part, &mut out)));
            assert_eq!(out, want, "in pieces of {step}");
        }
    }

    #[test]
    fn an_endless_line_breaks_the_stream() {
        let (mut parser, mut out) = (SseParser::default(), Vec::new());
        assert!((0..10).any(|_| !parser.feed(&vec![b'x'; 1 << 20], &mut out)));
    }
}
