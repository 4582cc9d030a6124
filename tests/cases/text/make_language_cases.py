"""Golden data for sentences, words and languages, from NLTK and langdetect over the small models of the fixtures.

python3 make_language_cases.py   (needs: pip install nltk langdetect)
Writes languages.json, sentences.json and the fixtures' language profiles beside the project's texts.
"""
import json
import pathlib
import random

from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from langdetect.utils.ngram import NGram
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

HERE = pathlib.Path(__file__).parent
FIXTURE = HERE.parents[2] / "reference" / "fixtures" / "ifeval"

TEXTS = {
    "en": "The old harbour lies quiet in the morning, when the boats have left and the gulls sit on the wall. A woman "
          "walks along the water with her dog and looks at the ships that have come from far away. She knows every one "
          "of them, and she knows what they carry. In the evening the men come back and tell what they have seen. There "
          "is always something new that nobody would have thought of, and this is what makes their lives worth living. "
          "When the wind is strong they stay at home and mend their nets, while the children play between the houses.",
    "de": "Der alte Hafen liegt am Morgen still, wenn die Boote ausgelaufen sind und die Möwen auf der Mauer sitzen. "
          "Eine Frau geht mit ihrem Hund am Wasser entlang und schaut auf die Schiffe, die von weither gekommen sind. "
          "Sie kennt jedes einzelne und weiß, was sie tragen. Am Abend kommen die Männer zurück und erzählen, was sie "
          "gesehen haben. Es gibt immer etwas Neues, an das niemand gedacht hätte, und das macht ihr Leben lebenswert. "
          "Wenn der Wind stark ist, bleiben sie zu Hause und flicken ihre Netze, während die Kinder zwischen den Häusern "
          "spielen.",
    "fr": "Le vieux port est calme le matin, quand les bateaux sont partis et que les mouettes sont assises sur le mur. "
          "Une femme marche le long de l'eau avec son chien et regarde les navires qui sont venus de loin. Elle les "
          "connaît tous, et elle sait ce qu'ils portent. Le soir, les hommes reviennent et racontent ce qu'ils ont vu. Il "
          "y a toujours quelque chose de nouveau auquel personne n'aurait pensé, et c'est ce qui fait que leur vie vaut "
          "la peine d'être vécue. Quand le vent est fort, ils restent à la maison et réparent leurs filets, pendant que "
          "les enfants jouent entre les maisons.",
    "hi": "पुराना बंदरगाह सुबह शांत रहता है, जब नावें चली जाती हैं और पक्षी दीवार पर बैठते हैं। एक महिला अपने कुत्ते के साथ पानी के "
          "किनारे चलती है और उन जहाज़ों को देखती है जो दूर से आए हैं। वह उनमें से हर एक को जानती है।",
    "ja": "古い港は朝は静かです。船が出て行き、かもめが壁の上に座っています。女の人が犬と一緒に水のそばを歩いて、遠くから来た船を見ています。"
          "彼女はその船を全部知っています。夕方になると男たちが帰ってきて、見たことを話します。",
    "ko": "오래된 항구는 아침에 조용합니다. 배들이 떠나고 갈매기들이 벽 위에 앉아 있습니다. 한 여자가 개와 함께 물가를 걸으며 멀리서 온 배들을 봅니다.",
    "vi": "Bến cảng cũ yên tĩnh vào buổi sáng, khi những con thuyền đã đi và những con chim ngồi trên tường. Một người phụ nữ "
          "đi dọc theo bờ nước với con chó của mình và nhìn những con tàu đến từ xa. Cô ấy biết tất cả chúng.",
    "ar": "الميناء القديم هادئ في الصباح، عندما تغادر القوارب وتجلس الطيور على الجدار. امرأة تمشي على طول الماء مع كلبها وتنظر إلى "
          "السفن التي جاءت من بعيد. إنها تعرفها كلها.",
}

SENTENCES = [
    "One. Two! Three?", "Dr. Smith met Mr. Jones at 5 p.m. on Main St. They talked.", "It costs 3.5 dollars. No. 5 is next.",
    "He said: \"Stop!\" Then he left. (She stayed.) And so on...", "Wait... what? Yes!!! No?! OK.", "J. S. Bach wrote it. He did.",
    "A line\nwithout an end\n\nA new paragraph. With two.", "e.g. this one, i.e. that one. And etc. More.", "", "   ", "No end", "…",
    "“Curly quotes.” ‘Too.’ End.", "He paid $5. Then 10. Then -3. Done.", "The U.S. Army came. The U.S. won.", "x.y.z. a.b", ". . . dots . . .",
    "First.Second. third. Fourth", "Hello world.)\" Next one. -- dash. Yes", "1. First item\n2. Second item\n3. Third", "Prof. and Mrs. Lee.",
    "* Bullet one.\n* Bullet two!\n", "Why?Because. Then,and ,so , on.", "Ends with space. ", "\u00a0Odd\u2003spaces. Here.\u00a0Yes.",
    "He lives in Washington. D.C. is there.", "Mt. Everest is high. Inc. is not. Ltd. too.", "Is it 7 a.m. now? It is. The end.",
    "A!B!C! d", "「日本語。」English. 次。", "Semi; colon: dash - and. Paren (in.) out.", "Tab\tis. Here.\r\nWindows. Lines.",
]

WORDS = [
    "Good muffins cost $3.88 (roughly 3,36 euros) in New York.", "They'll say \"hello\" and can't stop; won't they?", "I'm gonna go, gimme that.",
    "'Tis the SEASON, 'twas NOT.", "It's 5:30, isn't it?", "A--B -- C...", "e.g. U.S.A. ends.", "'single' \"double\" ``tick''", "x", "", "ALL CAPS, NO-DASH!",
    "«Guillemets» “curly” ‘single’ „low“", "a*b*c #tag @me 100% & more [x] {y} <z>", "cannot wanna lemme more'n d'ye", "end'. end\"). ", "no. space.after.dot.",
    "\u2014dash\u2013en", "the cats' toys' ", "he'S she'D I'LL we'RE ISN'T", "a,b, c:d : e",
]

LANGUAGE_TEXTS = list(TEXTS.values()) + [
    "The gulls sit on the wall.", "Die Kinder spielen.", "Les enfants jouent.", "THE OLD HARBOUR LIES QUIET IN THE MORNING", "12345 !!!", "", "a",
    "See https://example.org/a/b?c=d for the men and mail me@example.org or x@y", "der the le die and et und", "水", "Das ist ein Haus at the harbour, mon ami.",
    "Tiếng Việt có dấu: chào buổi sáng", "e\u0302\u0301 a\u0306 o\u031b", "Mixed 古い港は text with English words in it and more of them", "\u00a0\u00ab quoted \u00bb",
    "xxxx" * 3000 + " the children play", "the  men   come    back", "ﷺ", "İstanbul ĞÜŞ", "schön Straße Größe",
]


def write_profiles():
    folder = FIXTURE / "langdetect" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        freq, totals, gram = {}, [0, 0, 0], NGram()
        for ch in NGram.normalize_vi(text):
            gram.add_char(ch)
            for n in (1, 2, 3):
                w = gram.get(n)
                if w is not None and w != " ":
                    freq[w] = freq.get(w, 0) + 1
                    totals[n - 1] += 1
        (folder / name).write_text(json.dumps({"freq": dict(sorted(freq.items())), "n_words": totals, "name": name}, ensure_ascii=False))
    # A few groups of characters that count as one, as in langdetect's messages.properties.
    (FIXTURE / "langdetect" / "messages.properties").write_text("NGram.KANJI_1_0=\\u53E4\\u6E2F\\u671D\nNGram.KANJI_1_1=\\u8239\\u58C1\n")


def detector():
    factory = DetectorFactory()
    factory.set_seed(0)
    names = sorted(TEXTS)
    factory.load_json_profile([(FIXTURE / "langdetect" / "profiles" / n).read_text() for n in names])
    return factory


def detect(factory, text):
    made = factory.create()
    made.append(text)
    try:
        return made.detect()
    except LangDetectException:
        return None


def punkt():
    folder = FIXTURE / "punkt" / "english"
    params = PunktParameters()
    params.abbrev_types = set((folder / "abbrev_types.txt").read_text().split("\n")) - {""}
    params.sent_starters = set((folder / "sent_starters.txt").read_text().split("\n")) - {""}
    params.collocations = {tuple(line.split("\t")) for line in (folder / "collocations.tab").read_text().split("\n") if line}
    for line in (folder / "ortho_context.tab").read_text().split("\n"):
        if line:
            word, flags = line.split("\t")
            params.ortho_context[word] = int(flags)
    return PunktSentenceTokenizer(params)


def main():
    write_profiles()
    NGram.CJK_MAP.clear()
    for line in (FIXTURE / "langdetect" / "messages.properties").read_text().split("\n"):
        if "=" in line:
            group = line.split("=")[1].encode().decode("unicode_escape")
            for ch in group:
                NGram.CJK_MAP[ch] = group[0]
    factory, tokenizer, words = detector(), punkt(), NLTKWordTokenizer()
    rng = random.Random(7)
    pieces = [". ", "! ", "? ", "...", "\n", " Dr. ", " mr. ", "The ", "the ", "5. ", "\"", ")", "(", "A. ", " e.g. ", "--", ",", " word", "Word", " . ", "’", "U.S. ", "-", "\t", "etc. "]
    random_texts = ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 25))) for _ in range(400)]
    sentences = [{"text": t, "sentences": tokenizer.tokenize(t)} for t in SENTENCES + random_texts]
    tokens = [{"text": t, "words": words.tokenize(t)} for t in WORDS + random_texts[:150]]
    languages = [{"text": t, "language": detect(factory, t)} for t in LANGUAGE_TEXTS]
    (HERE / "sentences.json").write_text(json.dumps({"sentences": sentences, "words": tokens}, ensure_ascii=False, indent=0))
    (HERE / "languages.json").write_text(json.dumps(languages, ensure_ascii=False, indent=0))


main()
