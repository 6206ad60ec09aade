//! Languages the documents are in: made words that look like each language's own to segmenter, folding and stemmer.

/// A language.
pub struct Voice {
    /// Its tag.
    pub language: &'static str,
    /// Beginnings of words.
    pub syllables: [&'static str; 24],
    /// What words end in.
    pub endings: [&'static str; 8],
    /// What is between words.
    pub space: &'static str,
}

/// All of them. Nine, of five scripts.
pub const VOICES: [Voice; 9] = [
    Voice {
        language: "en",
        syllables: [
            "ac", "ber", "con", "dal", "er", "for", "gre", "hal", "in", "jur", "ker", "lat", "men", "nor", "op", "par",
            "qua", "reg", "sen", "tion", "ul", "ver", "wes", "yle",
        ],
        endings: ["", "s", "ing", "ed", "ment", "ation", "ly", "al"],
        space: " ",
    },
    Voice {
        language: "fr",
        syllables: [
            "ac", "bre", "con", "dé", "en", "fou", "gra", "haï", "in", "jeu", "lé", "mai", "né", "ou", "pro", "quê",
            "ré", "sui", "tra", "un", "vé", "ail", "eau", "ça",
        ],
        endings: ["", "s", "er", "ée", "ement", "ation", "ique", "eux"],
        space: " ",
    },
    Voice {
        language: "es",
        syllables: [
            "al", "bra", "con", "dé", "es", "fra", "gui", "hue", "in", "jó", "len", "ma", "ña", "or", "pro", "que",
            "rí", "su", "tra", "un", "ver", "ye", "zo", "lla",
        ],
        endings: ["", "s", "ar", "ado", "mente", "ción", "idad", "ería"],
        space: " ",
    },
    Voice {
        language: "pt",
        syllables: [
            "al", "bra", "com", "des", "es", "fre", "gui", "lhe", "im", "jo", "lei", "mã", "nho", "ou", "pro", "que",
            "rá", "su", "tra", "um", "ver", "xi", "zo", "ção",
        ],
        endings: ["", "s", "ar", "ado", "mente", "ções", "idade", "eiro"],
        space: " ",
    },
    Voice {
        language: "fi",
        syllables: [
            "aa", "es", "hal", "ih", "jär", "kan", "lai", "mää", "nou", "oi", "pää", "rai", "suo", "tie", "uu", "vas",
            "yh", "äly", "öl", "kor", "lau", "min", "pel", "tur",
        ],
        endings: ["", "ssa", "lla", "ista", "en", "inen", "uus", "ksi"],
        space: " ",
    },
    Voice {
        language: "ru",
        syllables: [
            "за", "бор", "кон", "да", "ер", "фор", "гра", "хал", "ин", "юр", "кер", "лат", "мен", "нор", "об", "пар",
            "ква", "рег", "сен", "тор", "ул", "вер", "вес", "ёж",
        ],
        endings: ["", "ы", "ать", "ого", "ение", "ость", "ский", "ами"],
        space: " ",
    },
    Voice {
        language: "ar",
        syllables: [
            "قا", "نو", "حك", "مج", "لس", "بر", "لم", "ان", "حق", "وق", "تش", "ري", "عم", "دو", "سل", "طا", "نظ", "ام",
            "شع", "بي", "خص", "وص", "تق", "ني",
        ],
        endings: ["", "ة", "ات", "ون", "ين", "ية", "ها", "هم"],
        space: " ",
    },
    Voice {
        language: "hi",
        syllables: [
            "का",
            "नू",
            "स",
            "भा",
            "वि",
            "धा",
            "रा",
            "ज",
            "नि",
            "ती",
            "अ",
            "धि",
            "का",
            "र",
            "सु",
            "र",
            "क्षा",
            "डे",
            "टा",
            "शि",
            "क्ष",
            "ण",
            "लो",
            "क",
        ],
        endings: ["", "ों", "ें", "ता", "ी", "ियों", "ने", "ना"],
        space: " ",
    },
    Voice {
        language: "zh",
        syllables: [
            "委员", "会议", "法律", "数据", "人工", "智能", "保护", "个人", "信息", "安全", "评估", "管理", "办法",
            "服务", "提供", "国家", "机关", "责任", "权利", "义务", "教育", "技术", "发展", "规定",
        ],
        endings: ["", "者", "性", "化", "权", "法", "部", "制"],
        space: "",
    },
];
