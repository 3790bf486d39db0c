//! The classification of responses and its parser, compiled again.

#[allow(dead_code, reason = "the layer uses the rest")]
#[path = "../../src/layer/challenge/mod.rs"]
pub(crate) mod challenge;
#[allow(dead_code, clippy::duplicate_mod, reason = "the parser is private to the classification")]
#[path = "../../src/layer/challenge/parse.rs"]
mod parse;

use parse::{Piece, Pieces};

/// A scheme and its parameters.
pub type Challenge = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// The challenges of a field line. `None` if a part cannot be parsed.
pub(crate) fn challenges(line: &[u8]) -> Option<Vec<Challenge>> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for piece in Pieces::new(line) {
        match piece {
            Piece::Challenge(scheme) => challenges.push((scheme.to_vec(), Vec::new())),
            Piece::Param { name, value } => {
                let params = &mut challenges.last_mut()?.1;
                params.push((name.to_vec(), value.unescaped().collect()));
            }
            Piece::Malformed => return None,
        }
    }
    Some(challenges)
}
