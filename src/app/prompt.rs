//! Reads a new password for the command line. On a terminal it asks twice and hides the input;
//! otherwise it reads one line of standard input.

use crate::wire::Password;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// Maximum bytes of a line; a longer line cannot be a password. It holds 256 characters of 4 bytes
/// each, with room for combining accents.
const MAX_LINE_BYTES: u64 = 8192;
const INTERRUPT: char = '\u{3}';

/// Reads a new password for the user `name`.
///
/// # Errors
/// One line that says what is wrong. It never repeats the input.
pub fn new_password(name: &str) -> Result<Password, String> {
    let stdin = io::stdin();
    let typed = match stdin.is_terminal() {
        false => read_line(&mut stdin.lock())?,
        true => {
            let _hidden = Hidden::begin()?;
            let typed = ask(&format!("New password for {name}: "))?;
            if ask("Repeat the password: ")? != typed {
                return Err("the two passwords differ; nothing was changed".into());
            }
            typed
        }
    };
    Password::parse(&typed).map_err(|why| format!("the password {why}"))
}

fn ask(question: &str) -> Result<String, String> {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let line = read_line(&mut io::stdin().lock());
    // The terminal did not show the line end either.
    let _ = writeln!(stderr);
    let line = line?;
    if line.contains(INTERRUPT) { Err("interrupted; nothing was changed".into()) } else { Ok(line) }
}

fn read_line(input: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    let read = input.take(MAX_LINE_BYTES).read_line(&mut line);
    match read.map_err(|error| format!("cannot read the password: {error}"))? {
        0 => Err("no password on standard input".into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Hides input on the terminal while this value lives. Ctrl-C is read as a character meanwhile, so
/// that the terminal settings are always restored.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Self, String> {
        let failed = |error: rustix::io::Errno| format!("cannot hide the password on this terminal: {error}");
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut hidden = before.clone();
        hidden.local_modes &= !(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // The terminal is gone, so there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_password_excludes_its_line_ending() {
        for (input, expected) in [("one two\nthree", "one two"), ("x\r\n", "x"), (" x ", " x "), ("\n", "")] {
            assert_eq!(read_line(&mut input.as_bytes()).unwrap(), expected);
        }
        assert!(read_line(&mut "".as_bytes()).is_err());
        assert!(read_line(&mut &b"\xff\n"[..]).is_err());
    }
}
