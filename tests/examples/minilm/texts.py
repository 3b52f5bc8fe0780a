"""The 200 texts that MiniLM is checked on: sentences of many scripts, and what tokenizers stumble over."""

SENTENCES = """
A stream is a counted object with a queue; it is not a thread.
The quick brown fox jumps over the lazy dog.
You may copy and distribute verbatim copies of this licence document.
How do I wait for a stream with a time limit?
Permission is hereby granted, free of charge, to any person obtaining a copy.
the weather in hamburg
cat
Is there anybody out there?
Dr. Smith's e-mail isn't jsmith@example.com, it's j.smith+news@example.co.uk!
In 2024, 3.14159 times 1,000,000 made 3,141,590 (roughly).
int main(void) { return mlx_array_eval(x) != 0 ? 1 : 0; }
for (size_t i = 0; i < n; i++) sum += a[i] * b[i]; /* a dot product */
SELECT name, count(*) FROM users WHERE age >= 18 GROUP BY name;
https://www.debian.org/doc/manuals/debian-reference/ch02.en.html#_basics
ANTIDISESTABLISHMENTARIANISM and floccinaucinihilipilification
naïve café résumé coöperate façade jalapeño
Der Strom fließt über die Wiese, während die Bäume rauschen.
Übermäßige Größe schützt vor Torheit nicht.
Wo ist der nächste Bahnhof, bitte?
Die Donaudampfschifffahrtsgesellschaft sucht einen Kapitän.
Où est la bibliothèque municipale ?
L'été dernier, nous avons mangé des crêpes près de la forêt.
C'est la vie, n'est-ce pas ?
¿Dónde está la estación de tren más cercana?
El niño comió una manzana roja en el jardín.
¡Qué día tan bonito hace hoy!
Dove posso comprare un biglietto per il treno?
La città è bellissima di notte, perché è illuminata.
Onde fica a praia mais próxima? Não sei.
O coração tem razões que a própria razão desconhece.
Waar kan ik een fiets huren in Amsterdam?
Hur mår du idag? Jag mår bra, tack så mycket.
Blåbærsyltetøj på brødet smager godt.
Hvor er nærmeste apotek? Det ligger på hjørnet.
Missä on lähin kauppa? Hyvää päivää, ystäväni.
Kus on lähim pood? Õhtu on ilus.
Gdzie jest najbliższa apteka? Zażółć gęślą jaźń.
Kde je nejbližší nádraží? Příliš žluťoučký kůň úpěl ďábelské ódy.
Kde je najbližšia stanica? Ďakujem pekne.
Hol van a legközelebbi pályaudvar? Árvíztűrő tükörfúrógép.
Unde este cea mai apropiată gară? Mulțumesc, știu.
Gdje je najbliži kolodvor? Čašica šljivovice, đače.
En yakın eczane nerede? İstanbul'da ışıklar yanıyor.
Bank ở đâu? Tôi muốn uống một tách cà phê sữa đá.
Hà Nội là thủ đô của Việt Nam.
Di mana stasiun kereta api terdekat?
Nasaan ang pinakamalapit na istasyon?
Þetta er íslenska: ég ætla að fá mér kaffi.
Cá bhfuil an leabharlann? Tá fáilte romhat.
Ble mae'r orsaf agosaf? Diolch yn fawr iawn.
Kie estas la plej proksima stacidomo? Ĉu vi parolas Esperanton?
Где находится ближайшая библиотека?
Поток — это объект с очередью, а не нить исполнения.
Все счастливые семьи похожи друг на друга.
Ёлка стояла в углу, мой дорогой друг.
Де знаходиться найближча аптека? Їжак і ґанок.
Къде е най-близката гара? Благодаря ви много.
Где је најближа станица? Ђак учи ћирилицу.
Дзе знаходзіцца бліжэйшая аптэка? Ўсё добра.
Ең жақын дәріхана қайда? Рақмет сізге.
Πού είναι η πλησιέστερη βιβλιοθήκη;
Ο ΟΔΥΣΣΕΥΣ ΕΙΝΑΙ ΠΟΛΥΜΗΧΑΝΟΣ.
Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.
Որտե՞ղ է մոտակա գրադարանը։
სად არის უახლოესი ბიბლიოთეკა?
איפה הספרייה הקרובה ביותר?
בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ
שלום עולם, מה שלומך היום?
أين تقع أقرب مكتبة من هنا؟
بِسْمِ ٱللَّهِ ٱلرَّحْمَٰنِ ٱلرَّحِيمِ
السلام عليكم، كيف حالك اليوم؟
نزدیک‌ترین کتابخانه کجاست؟
می‌خواهم یک فنجان چای بنوشم.
قریب ترین کتب خانہ کہاں ہے؟
निकटतम पुस्तकालय कहाँ है?
मुझे एक कप चाय चाहिए, धन्यवाद।
सत्यमेव जयते नानृतम्
जवळचे ग्रंथालय कुठे आहे?
নিকটতম গ্রন্থাগার কোথায়?
আমি বাংলায় গান গাই।
ਨਜ਼ਦੀਕੀ ਲਾਇਬ੍ਰੇਰੀ ਕਿੱਥੇ ਹੈ?
નજીકનું પુસ્તકાલય ક્યાં છે?
அருகிலுள்ள நூலகம் எங்கே உள்ளது?
யாதும் ஊரே யாவரும் கேளிர்
దగ్గరలోని గ్రంథాలయం ఎక్కడ ఉంది?
ಹತ್ತಿರದ ಗ್ರಂಥಾಲಯ ಎಲ್ಲಿದೆ?
അടുത്തുള്ള ലൈബ്രറി എവിടെയാണ്?
ළඟම පුස්තකාලය කොහෙද?
ห้องสมุดที่ใกล้ที่สุดอยู่ที่ไหน
ฉันชอบกินข้าวผัดกับไข่ดาว
ຫໍສະໝຸດທີ່ໃກ້ທີ່ສຸດຢູ່ໃສ?
အနီးဆုံးစာကြည့်တိုက်ဘယ်မှာလဲ။
តើបណ្ណាល័យដែលនៅជិតបំផុតនៅឯណា?
དཔེ་མཛོད་ཁང་ག་པར་ཡོད་དམ།
最近的图书馆在哪里？
学而时习之，不亦说乎？
最近的圖書館在哪裡？我想借一本書。
流是一个带队列的对象，而不是线程。
最寄りの図書館はどこですか？
吾輩は猫である。名前はまだ無い。
コンピュータープログラミングはとても楽しいです。
カタカナとひらがなと漢字がまざった文です。
가장 가까운 도서관이 어디에 있습니까?
안녕하세요, 오늘 날씨가 정말 좋네요.
나는 커피를 마시고 싶습니다.
በአቅራቢያው ያለው ቤተ መጻሕፍት የት ነው?
ⴰⵣⵓⵍ ⴼⵍⵍⴰⵡⵏ
ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ
ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ
Maktaba iliyo karibu iko wapi? Asante sana.
Ibo ni ilé-ìkàwé tó súnmọ́ wà? Ẹ ṣé púpọ̀.
Ina ɗakin karatu mafi kusa? Ƙasa ɓera.
Weißt du, wo die Straße ist? STRASSE. straße.
I ❤ streams 🎉🚀 and 🥰 pages 👨‍👩‍👧‍👦 🇩🇪
🙂🙃🙂
™ © ® € £ ¥ § ¶ † ‡ • … ‰ ′ ″ ‹ › « »
∀x ∈ ℝ: ∃y > x, ∫₀^∞ e^{−x²} dx = √π/2
α + β = γ; ∑_{i=1}^{n} i² ≈ n³/3 ± ε
½ ¼ ¾ ² ³ ¹ ⁴ ₁ ₂ Ⅷ ⅷ ① ② ㊀ ㈱
ﬁrst ﬂoor oﬃce, ŀ ǆ ĳ
Ｆｕｌｌｗｉｄｔｈ　ｔｅｘｔ，　ｈａｌｆ：ｶﾀｶﾅ
𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝐛𝐨𝐥𝐝 𝒾𝓉𝒶𝓁𝒾𝒸 𝟙𝟚𝟛
𠀀𠀁𠀂 𪚥 豈更車 丽
ǅ ǈ ǋ Ǆ ß ẞ ı İ i̇ Ø Å Å K Ω
don't can't we'll o'clock rock'n'roll ’tis ‘quoted’ “double”
hyphen-ated well–known em—dash minus−sign non‑breaking
snake_case camelCase kebab-case SCREAMING_SNAKE 0x7fff 1e-5 v2.3.1-rc.4
$100 + 20% = ~$120 ^_^ `code` <b>bold</b> |pipe| a=b
[CLS] and [SEP] and [MASK] and [PAD] and [UNK] and [cls] [ SEP ]
##s ## # ##able un##able
C++ C# F# .NET Node.js
[[double]] {{curly}} ((round)) <<angle>>
"""

CODES = [
    "", " ", "\n", "\t \r\n", "a", ".", "?!", "\u00e9", "e\u0301", "I\u0307", "\u0130", "x" * 100, "x" * 101,
    "y" * 3000, "word " * 300, "\u4e2d" * 300, "\u00e9" * 100, "e\u0301" * 60,
    "tab\tnew\nline\rreturn\x0bvertical\x0cform",
    "nul\x00byte bell\x07 delete\x7f", "next\x85line c1\x9fcontrol",
    "no\u00a0break figure\u2007space thin\u2009space zero\u200bwidth", "line\u2028separator paragraph\u2029here",
    "soft\u00adhyphen word\u2060joiner bom\ufefffeff", "left\u200eto\u200fright \u202aembedding\u202c \u2066isolate\u2069",
    "bad\ufffdcharacter private\ue000use \U000f0000plane", "ogham\u1680space ideographic\u3000space",
    "stack\u0300\u0301\u0302\u0303ed marks a\u0323\u0307 q\u0307\u0323", "\u1e9b\u0323 \u0344 \u0958 \u2126 \u212b",
    "\uac00\uac01 \u1100\u1161\u11a8", "a\u0600b a\u06ddc a\u070fd", "U\u0378 unassigned \uffff \ufffe",
    "\U0001f970\U0001fae0\U0001f6dc new emoji", "\u0c5d\u0cdd\u20c0 new letters", "\u16f0\u16f1 \u302e\u302f \u1b44",
    "Mn\u0ccd\u0bcd Mc\u0903\u0bbe Me\u20dd", "\u037e\u1fef\u0387 greek question mark, varia, ano teleia",
    "\u0660\u0661\u0662 \u06f1\u06f2\u06f3 \u0967\u0968\u0969 \u4e00\u4e8c\u4e09", "\u00b2\u00b3\u00b9\u2074",
    "ALL CAPITALS WITH \u00c4\u00d6\u00dc AND \u00c9", "MiXeD \u0410\u0411\u0412 \u0391\u0392\u0393 \u0531\u0532\u0533",
]


def texts():
    """The list, 200 long: what is above, then longer ones made of it."""
    sentences = [line for line in SENTENCES.split("\n") if line]
    result = sentences + CODES
    at = 0
    while len(result) < 200:
        length = 2 + len(result) % 9
        result.append(" ".join(sentences[(at + i * 17) % len(sentences)] for i in range(length)))
        at += 5
    return result
