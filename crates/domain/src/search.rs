//! What a user searches for.

use crate::fold;
use crate::parse::hidden;

/// What a user searches for, folded; never blank.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SearchTerm {
    folded: String,
    digits: Option<String>,
}

impl SearchTerm {
    /// Longer terms are cut: no name is this long.
    const MAX_CHARS: usize = 256;

    /// The term, or `None` if it is blank: then there is nothing to search for.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().chars().take(Self::MAX_CHARS).collect();
        let folded = fold(&text);
        if folded.trim().is_empty() {
            return None;
        }
        let compact: String =
            folded.chars().filter(|c| !matches!(c, '+' | '-' | '.' | '(' | ')') && !c.is_whitespace()).collect();
        let digits = (!compact.is_empty() && compact.bytes().all(|b| b.is_ascii_digit())).then_some(compact);
        Some(Self { folded, digits })
    }

    /// Whether a folded name contains the term. Every character counts as itself: there are no wildcards.
    pub fn matches_name(&self, folded_name: &str) -> bool {
        folded_name.contains(&self.folded)
    }

    /// The term, folded: what a name must contain.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }

    /// The term's digits, if it is a number or part of one: what a phone number may contain instead.
    pub(crate) fn digits(&self) -> Option<&str> {
        self.digits.as_deref()
    }

    /// How much memory it holds, without the few bytes of itself: folding may make 33 bytes of one character.
    pub(crate) fn bytes(&self) -> usize {
        self.folded.capacity() + self.digits.as_ref().map_or(0, String::capacity)
    }

    /// Whether the term is a number, or part of one, that occurs in `digits`.
    pub fn matches_digits(&self, digits: &str) -> bool {
        self.digits.as_ref().is_some_and(|wanted| digits.contains(wanted.as_str()))
    }
}

// What somebody searches for may be a name.
hidden!(SearchTerm);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(term: &str, name: &str) -> bool {
        SearchTerm::parse(term).unwrap().matches_name(&fold(name))
    }

    #[test]
    fn case_width_accents_and_ligatures_do_not_matter() {
        for (term, name) in [
            ("jose", "José"),
            ("JOSÉ", "jose\u{301}"),
            ("strasse", "Straße"),
            ("STRASSE", "straße"),
            ("fi", "ﬁnance"),
            ("istanbul", "İstanbul"),
            ("istanbul", "ıstanbul"),
            ("ISTANBUL", "ıstanbul"),
            ("abc", "ＡＢＣ"),
            ("οδος", "ΟΔΟΣ"),
            ("елка", "Ёлка"),
            ("محمد", "مُحَمَّد"),
            ("שלום", "שָׁלוֹם"),
            ("東京", "東京チーム"),
            ("カ", "ｶﾗｵｹ"),
            ("🚀", "🚀 Rocket"),
        ] {
            assert!(finds(term, name), "{term} should find {name}");
        }
    }

    #[test]
    fn letters_that_only_look_composed_stay_different() {
        assert!(!finds("か", "がく"));
        assert!(!finds("ㄱ", "가다"));
        assert!(!finds("क", "कि".trim_start_matches('क')));
    }

    #[test]
    fn wildcards_and_quotes_are_plain_characters() {
        for literal in ["%", "_", "'", "\\", ".*", "\"", "["] {
            assert!(finds(literal, &format!("a{literal}b")));
            assert!(!finds(literal, "ab"));
        }
    }

    #[test]
    fn a_number_is_found_however_it_is_typed() {
        for typed in ["+34 600-11", "34600.11", "(34) 60011", "60011", "３４６００"] {
            assert!(SearchTerm::parse(typed).unwrap().matches_digits("34600111222"), "{typed}");
        }
        assert!(!SearchTerm::parse("600x").unwrap().matches_digits("34600111222"));
    }

    #[test]
    fn a_blank_term_is_no_search() {
        for blank in ["", "  ", "\u{a0}\t", "\u{301}"] {
            assert_eq!(SearchTerm::parse(blank), None, "{blank:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_found_by_itself(name in "\\PC{0,40}") {
            if let Some(term) = SearchTerm::parse(&name) {
                prop_assert!(term.matches_name(&fold(&name)));
            }
        }
    }
}
