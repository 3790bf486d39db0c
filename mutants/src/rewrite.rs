//! Writes a file with all its mutants. A mutant is text that is inserted: the original code stays, so
//! nested mutants are independent.

use std::{collections::HashSet, ops::Range};

use crate::find::{Id, Place, Source};

/// Where the mutants are in the written file. The compiler reports errors there.
#[derive(Default)]
pub struct Positions {
    alternatives: Vec<(Range<usize>, Id)>,
    sites: Vec<(Range<usize>, Vec<Id>)>,
}

impl Positions {
    /// The mutants whose own code overlaps with the range.
    pub fn alternatives(&self, range: &Range<usize>) -> Vec<Id> {
        let inside = |found: &Range<usize>| found.start <= range.start && range.start < found.end;
        let hits = self.alternatives.iter().filter(|(found, _)| inside(found));
        hits.map(|(_, id)| *id).collect()
    }

    /// The mutants of the innermost place around the range.
    pub fn around(&self, range: &Range<usize>) -> Vec<Id> {
        let inside = |found: &Range<usize>| found.start <= range.start && range.end <= found.end;
        let sites = self.sites.iter().filter(|(found, _)| inside(found));
        let innermost = sites.min_by_key(|(found, _)| found.len());
        innermost.map(|(_, ids)| ids.clone()).unwrap_or_default()
    }
}

enum Piece<'a> {
    Open(usize),
    Close(usize),
    Text(String),
    Alternative(Id, &'a str),
}

/// The file without the mutants that are `dropped`.
pub fn rewrite(source: &Source, dropped: &HashSet<Id>) -> (String, Positions) {
    // The order at one offset: inner ends, outer ends, outer starts, inner starts.
    let mut pieces: Vec<((usize, isize), Vec<Piece>)> = Vec::new();
    for (number, site) in source.sites.iter().enumerate() {
        let kept: Vec<_> =
            site.alternatives.iter().filter(|(id, _)| !dropped.contains(id)).collect();
        if kept.is_empty() {
            continue;
        }
        let Range { start, end } = site.range;
        let length = (end - start) as isize;
        let on = |id: Id| format!("crate::mutant_switch::on({id})");
        let mut opening = vec![Piece::Open(number)];
        match site.place {
            Place::Expression => {
                opening.push(Piece::Text("(".into()));
                for (id, text) in kept {
                    opening.push(Piece::Text(format!("if {} {{ ", on(*id))));
                    opening.push(Piece::Alternative(*id, text));
                    opening.push(Piece::Text(" } else ".into()));
                }
                opening.push(Piece::Text("{ ".into()));
                pieces.push(((start, isize::MAX - length), opening));
                pieces.push(((end, length), vec![Piece::Text(" })".into()), Piece::Close(number)]));
            }
            Place::Body => {
                for (id, text) in kept {
                    opening.push(Piece::Text(format!(" if {} {{ return ", on(*id))));
                    opening.push(Piece::Alternative(*id, text));
                    opening.push(Piece::Text("; }".into()));
                }
                pieces.push(((start + 1, isize::MIN), opening));
                pieces.push(((end, length), vec![Piece::Close(number)]));
            }
            Place::Pattern => {
                for (id, text) in kept {
                    opening.push(Piece::Text(" if ".into()));
                    opening.push(Piece::Alternative(*id, text));
                    opening.push(Piece::Text(format!("!{}", on(*id))));
                }
                opening.push(Piece::Close(number));
                pieces.push(((end, length), opening));
            }
        }
    }
    pieces.sort_by_key(|(key, _)| *key);

    let (mut written, mut positions, mut from) = (String::new(), Positions::default(), 0);
    let mut opened = vec![0; source.sites.len()];
    for ((at, _), inserted) in pieces {
        written.push_str(&source.text[from..at]);
        from = at;
        for piece in inserted {
            let begin = written.len();
            match piece {
                Piece::Open(number) => opened[number] = begin,
                Piece::Close(number) => {
                    let site = &source.sites[number].alternatives;
                    let ids = site.iter().map(|(id, _)| *id).filter(|id| !dropped.contains(id));
                    positions.sites.push((opened[number]..begin, ids.collect()));
                }
                Piece::Text(text) => written.push_str(&text),
                Piece::Alternative(id, text) => {
                    written.push_str(text);
                    // With the brace or the semicolon after it, where a type error may be reported.
                    positions.alternatives.push((begin..written.len() + 2, id));
                }
            }
        }
    }
    written.push_str(&source.text[from..]);
    (written, positions)
}
