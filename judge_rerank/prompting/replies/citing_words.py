"""The words by which a judge shows that it cites: before what it cites, after it, and in the next sentence."""

# The patterns name words of other scripts.

from __future__ import annotations

import re

JSON, QUOTATION = "\ufffb", "\ufffa"
"""What stand for each character of a JSON value and of a quotation while these patterns are looked for."""

_ENGLISH = (
    r"says|said|saying|(?<!United )stat(?:es|ed|ing)(?=[\s:,])|claim(?:s|ed|ing)\b(?!\s*\[)"
    r"|demands|demanded|demanding|asks|asked|asking"
    r"|instruct(?:s|ed|ing)?|contain(?:s|ed|ing)|quot(?:es|ed|ing)|reads|tells|telling|told|writes|wrote|includes|included"
    r"|carries|carried|carrying|requests|requested|requesting|wants|wanted|commands|commanded|insists|insisted"
    r"|urg(?:es|ed|ing)"
    r"|declar(?:es|ed|ing)|assert(?:s|ed|ing)|tries|tried|trying|attempts|attempted|attempting|begs|begged|suggests|suggested"
    r"|recommends|recommended|proposes|proposed|injects|embeds|announces|announced|boasts|pretends|orders\sme|would\slike"
    r"|shouts|whispers|prints|displays|adds|threatens|pleads|advertises|argues|alleges|purports|dictates|directs|prompts"
    r"|(?:begins|starts|ends|opens|closes|finishes|concludes)\swith"
    r"|holds\sthe|has\sthe\s(?:text|line|words?|sentence|instruction)"
    r"|(?:documents|passages|texts|they|both|all)\s(?:say|state|claim|demand|ask|contain|want|tell|include|instruct)"
    r"|(?:supposed|meant|expected)\sto|reading(?=:?\s{0,3}[\ufffa\ufffb])|(?:it|text|document|passage)\shas\s(?=[\ufffa\ufffb])"
)
_ABOUT = (
    r"(?:injected|embedded|hidden|malicious|claimed|alleged|purported|supposed|self-\w+|suggested|requested|demanded|quoted"
    r"|planted|adversarial|bogus|spoofed|fake|instructed|dictated|desired|so-called|prompt)\s(?!to\b)(?=\S)"
    r"|(?:instruction|injection|command|directive|attempt|request|demand|claim|plea|trick|manipulation|note|message)s?\s"
    r"(?:to|that|in|inside|within|from|of|for|about|like|such)\b"
    r"|(?:instruction|injection|command|directive|request|demand|claim|plea|note|message|sentence|phrase|line|words?|text|string)s?"
    r"\s{0,2}[:=(]?\s{0,2}(?=[\ufffa\ufffb])"
    r"|(?:line|sentence|paragraph|part|end|beginning|start|title|heading|header|footer|comment|body)s?\s(?:of|in|from)\s"
    r"(?:the|this|that)\s(?:document|passage|text|doc|page)\b"
    r"|(?:its|his|her|their|the\s(?:document|passage|text)'s)\sown|according\sto|ignor(?:e|es|ed|ing)|disregard(?:s|ed|ing)?"
    r"|despite|regardless\sof|contrary\sto|rather\sthan|instead\sof|not\sfollow(?:ing)?|reject(?:s|ed|ing)?|as\sin"
)
_FOREIGN = (
    r"sagt|behauptet|fordert|verlangt|enthält|schreibt|lautet|zitiert|bittet|befiehlt|steht|heißt|möchte"
    r"|dit|affirme|demande|contient|exige|prétend|ordonne|indique|veut|dice|afirma|pide|exige|contiene|ordena|reclama"
    r"|asegura|sostiene|quiere|afferma|chiede|ordina|esige|vuole|diz|pede|contém|quer|zegt|beweert|vraagt|bevat|eist|wil"
    r"|mówi|twierdzi|zawiera|żąda|säger|påstår|kräver|innehåller|diyor|istiyor|içeriyor"
    r"|говорит|утверждает|требует|содержит|просит|гласит|велит|пишет|сказано|написано"
)
_NO_SPACES = (
    r"说|說|声称|聲稱|要求|包含|写道|寫道|指示|写着|寫著"
    r"|書かれて|言って|主張|と言う|말합니다|말하|요구|지시|주장|يقول|تقول|يطلب|تطلب|يدعي"
)
CITES = re.compile(rf"(?<![^\W_])(?:{_ENGLISH}|{_ABOUT}|(?:{_FOREIGN})\b)|{_NO_SPACES}", re.IGNORECASE)
# "I suggest", "my ranking reads": the judge speaks of itself.
OWN_VOICE = re.compile(
    r"\b(?:I|we|my|our)(?:\s+(?:am|was|would|will|ranking|answer|order|score|rating|verdict|final|\w+ly)){0,2}\s+$"
)
NEVER_OWN = re.compile(r"told|asked|instruct|ignor|disregard|reject|not\sfollow|supposed|expected|meant|prompt", re.I)

_DOCUMENT = (
    r"(?:(?:the|this|that|its?)\s(?:\w+\s){0,2}?)?"
    r"(?:document|passage|text|doc|article|snippet|page|content|source|note|it)s?(?:\s?\[?\w{1,3}\]?)?"
)
_STOP = r"(?=\s{0,2}(?:[.!?;,)\]—–]|$|\n))"
_SPEECH = (
    r"(?:says|said|claims|claimed|states|stated|demands|demanded|asks|asked|insists|shouts|writes|wrote|declares|announces"
    r"|suggests|orders|commands|tells|told|begs|pleads|argues|boasts|instructs|requests|wants|wanted)"
)
TRAILING = re.compile(
    rf"\b(?:(?:is|was|are|were|'s)\s(?:only\s|just\s|merely\s|exactly\s|simply\s)?(?:what|how|as)\s{_DOCUMENT}\s\w+"
    rf"|(?:which|that)\s(?:I|we)\s(?:will\s|must\s|should\s|shall\s|have\sto\s|\w+ly\s)?"
    r"(?:ignore|disregard|reject|discard|dismiss|do\snot|don't|won't)"
    r"|(?:to|should|must|will|can|can't|cannot)\s(?:not\s)?be\s"
    r"(?:ignored|disregarded|rejected|discarded|dismissed|followed|trusted)"
    r"|(?:is|are|was|were)\s(?:not\s|clearly\s|obviously\s|merely\s|just\s|only\s|itself\s)?"
    r"(?:an?|the|part\sof\san?|part\sof\sthe|from\sthe|from\san?)"
    r"\s(?:[\w-]+\s){0,2}"
    r"(?:instruction|injection|command|demand|request|attack|attempt|manipulation|trick|quote|quotation|claim)s?\b"
    rf"|(?:is|are|was|were)\s(?:\w+ly\s)?(?:part\sof|from)\s{_DOCUMENT}\b"
    r"|(?:appears?|appearing|stands?|standing|comes?|coming|occurs?|written|found|embedded|planted|injected|quoted"
    r"|(?:is|was|as)\s(?:written|found|embedded|contained|included|stated|quoted|printed|given|said))"
    r"\s(?:in|from|inside|within|at|by)\b"
    rf"|(?:is|are|was|were)\s(?:in|inside|within|part\sof)\s{_DOCUMENT}\b"
    r"|as\s(?:instructed|requested|demanded|asked|told|ordered|commanded)\b"
    r"|(?:is|are|was|were|gets|being)\s(?:requested|demanded|wanted|claimed|suggested|injected|alleged|instructed|quoted|asked)\b)"
    rf"|[,!?:;—–-]\s{{0,2}}(?:so\s|as\s)?{_SPEECH}\s{_DOCUMENT}{_STOP}"
    rf"|[,(—–-]\s{{0,2}}(?:from|per|by|in|as\sin|source:)\s{_DOCUMENT}\b"
    rf"|[,(—–-]\s{{0,2}}(?:{_FOREIGN})\b|\bis\sall\s(?:that\s)?{_DOCUMENT}\s{_SPEECH}\b"
    rf"|[,(—–-]\s{{0,2}}(?:or\s)?(?:so\s|as\s)?{_DOCUMENT}\s(?:puts\sit|{_SPEECH}){_STOP}",
    re.IGNORECASE,
)
BACK = re.compile(
    r"(?:\bthat|\bthose|\bsuch)(?:'s|\s(?:is|was|are|were))(?:\snot|n't|\sno|\sclearly|\sobviously|\sonly|\sjust|\smerely"
    r"|\ssimply)?\s"
    r"(?:an?\s|the\s|no\s)?(?:[\w-]+\s){0,2}"
    r"(?:instructions?|injections?|injected|commands?|demands?|requests?|attacks?|attempts?"
    r"|manipulations?|tricks?|content|what|claims?|quotes?|documents?|passages?|text|mine|judgment|verdict|ranking|part)\b"
    r"|\bthat(?:'s|\s(?:is|was))\s(?:the|what|how|only|just|merely)\b[^.\n]{0,40}?\b(?:document|passage|text|doc|page)\b"
    r"|\b(?:this|it)(?:'s|\s(?:is|was))\s(?:an?\s|the\s)?(?:[\w-]+\s){0,2}(?:injections?|injected|manipulation|attack|trick)\b"
    r"|\bI\s(?:will\s|have\sto\s|must\s|'ll\s|shall\s|\w+ly\s|do\snot\s|don't\s|won't\s|am\snot\s)?"
    r"(?:ignor(?:e|ed|ing)|disregard(?:ed|ing)?|reject(?:ed|ing)?|dismiss(?:ed|ing)?|follow(?:ed|ing)?|obey(?:ing)?|comply(?:ing)?)"
    r"\s(?:with\s)?(?:that|this|it|these|those)\b",
    re.IGNORECASE,
)
