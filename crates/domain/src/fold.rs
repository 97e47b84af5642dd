//! One rule of folding for everyone: what is searched, what is searched for, and what lists are sorted by.

use std::sync::LazyLock;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// The text as it is compared: without case, width, compatibility forms and accents.
///
/// `José` = `jose`, `Straße` = `STRASSE`, `ﬁ` = `fi`, `ａ` = `a`, `İ` = `ı` = `i`. Marks that make another letter (the
/// Japanese voiced sound marks, Indic vowel signs, Thai tones) stay; Latin, Greek and Cyrillic accents, Hebrew points and
/// Arabic vowel signs go. A line break becomes a space: folded text is one line.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

/// Appends the folded text, for who folds a whole list into one buffer.
pub(crate) fn fold_into(folded: &mut String, text: &str) {
    if text.is_ascii() && !text.contains('\n') {
        let start = folded.len();
        folded.push_str(text);
        folded[start..].make_ascii_lowercase();
        return;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let simple = rest.find(|c| !is_simple(c)).unwrap_or(rest.len());
        let (run, others) = rest.split_at(simple);
        // What follows may be a mark on the last of them.
        let last = if others.is_empty() { None } else { run.char_indices().next_back() };
        let run = last.map_or(run, |(start, _)| &run[..start]);
        fold_simple(folded, run);
        let end = simple + others.find(is_simple).unwrap_or(others.len());
        folded.extend(fold_any(&rest[run.len()..end]));
        rest = &rest[end..];
    }
}

/// The rule, for any text.
fn fold_any(text: &str) -> impl Iterator<Item = char> {
    text.nfkd()
        .filter(|c| !is_accent(*c))
        .default_case_fold()
        .map(|c| match c {
            // Full case folding leaves the Turkish dotless i alone; people type either.
            'ı' => 'i',
            '\n' => ' ',
            c => c,
        })
        // Compose again, so that か is not found inside が, nor a jamo inside a Hangul syllable.
        .nfkc()
}

/// Combining classes of the Unicode standard: 10 to 36 are the points of Hebrew, Arabic and Syriac, 200 and above the
/// marks placed around a letter; below 10 and between stand nuktas, viramas, kana and Thai marks.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 10..=36 | 200..)
}

/// Whether a character folds alone between others of these, so that it can be looked up: Latin and Cyrillic letters,
/// Chinese characters, ASCII. Most names are nothing else, and the rule itself takes a microsecond a name.
fn is_simple(c: char) -> bool {
    matches!(c, '\0'..='\x7f' | 'À'..='ɏ' | 'Ѐ'..='ҁ' | 'Ҋ'..=LAST_IN_TABLE | '一'..='\u{9fff}')
}

/// Appends what [`fold_any`] would.
fn fold_simple(folded: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => folded.push(' '),
            '\0'..='\x7f' => folded.push(c.to_ascii_lowercase()),
            FIRST_IN_TABLE..=LAST_IN_TABLE => folded.push_str(TABLE.get(c)),
            c => folded.push(c),
        }
    }
}

const FIRST_IN_TABLE: char = 'À';
const LAST_IN_TABLE: char = 'ԯ';

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// Single characters, folded.
struct Table {
    folded: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Table {
    fn new() -> Self {
        let mut table = Self { folded: String::new(), ends: vec![0] };
        for c in FIRST_IN_TABLE..=LAST_IN_TABLE {
            table.folded.extend(fold_any(c.encode_utf8(&mut [0; 4])));
            table.ends.push(table.folded.len());
        }
        table
    }

    fn get(&self, c: char) -> &str {
        let index = c as usize - FIRST_IN_TABLE as usize;
        &self.folded[self.ends[index]..self.ends[index + 1]]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folded_text_is_one_line() {
        assert_eq!(fold("\nA\nB\n\n"), " a b  ");
        assert_eq!(fold("É\nB\r\n"), "e b\r ");
    }

    #[test]
    fn every_simple_character_folds_alone() {
        // Whatever the rule would compose, it composes of what stands before one of these: nothing composes with them.
        for c in ('\0'..=char::MAX).filter(|c| is_simple(*c)) {
            for neighbour in ["", "a", "Ñ", "й", "東", "\u{301}", "か", "가", "क", "ㄱ"] {
                let [after, before] = [format!("{neighbour}{c}"), format!("{c}{neighbour}")];
                for text in [after, before] {
                    assert_eq!(fold(&text), fold_any(&text).collect::<String>(), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn simple_text_folds_by_the_same_rule(
            text in "([a-zA-ZÀ-ɏ]|[Ѐ-ӿ]|[一-万]|[\u{300}-\u{345}]|[\u{3040}-\u{309f}]|[가-각ᅡ-ᆨ]|[क-ॏ]|\n|\\PC){0,20}"
        ) {
            prop_assert_eq!(fold(&text), fold_any(&text).collect::<String>());
        }

        #[test]
        fn folding_twice_is_folding_once_and_gives_one_line(text in "(\\PC|\\n|\\r|\0){0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), &once[..]);
            prop_assert!(!once.contains('\n'));
        }
    }
}
