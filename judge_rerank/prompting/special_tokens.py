"""The special tokens of tokenizers: one list, for the escaper of documents and for the reader of replies.

Some servers read them as tokens even in the middle of a message, so a document that carries one could end its message
or speak in another role. A reply may end in one. Known are those of Llama (2 to 4, Code Llama, Llama Guard), Mistral,
Gemma, Qwen, DeepSeek, Phi, GLM, Kimi, MiniMax, MiniCPM, Granite, Command, Jamba, StarCoder, gpt-oss, SmolLM, SmolVLM,
Yi, InternLM, Falcon, Nemotron, Apertus, ERNIE, Hunyuan, EXAONE, Ling, Baichuan, Aquila, BLOOM, T5 and BERT; others
that are made in the same way, such as anything that begins with `<|`, are found with them.

The patterns are for verbose and case-insensitive matching of text in its plain form (`lookalikes.plain`), in which a
bar of any kind is `|` and the low block of DeepSeek's tokens is `_`.
"""

from __future__ import annotations

import re

_ANGLE = r"""
    s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eot|eod|eoa|eoh|eos_id|mid|pre|suf|role|ai|用户|user|assistant|system
  | [a-z]{2,12}_token
  | (?:start|end|begin|beginning|stop)_?of_?[a-z_]{2,24}
  | (?:image|audio|video)(?:_soft_token|_pad)?|img|img_context|quad|ref|box|patch|global-img|fake_token_around_image
  | row_\d{1,3}_col_\d{1,3}
  | tools?|tool_?(?:calls?|responses?|results?|outputs?|declaration|code)|available_tools|function(?:s|_calls?)|invoke
  | (?:minimax|antml|dsml):[a-z_]{2,30}|code_interpreter|arg_(?:key|value)|parameter
  | __(?:media|image|audio|video)__
  | fim[_-](?:prefix|middle|suffix|pad|mask|hole|begin|end)
  | file_?(?:sep|name|path)|repo_?name|gh_stars|issue_(?:start|comment|closed)|jupyter_[a-z]{2,10}|empty_output
  | commit_(?:before|msg|after)|pr(?:_[a-z_]{2,24})?|intermediate_to_[a-z]{2,10}|file_?sep
  | (?:(?:tokens_)?unused(?:_token)?|extra_id|reserved|special|dummy|madeupword|placeholder|mask|row|loc|seg)_?\d{1,6}
  | reserved_special_token_\d{1,6}
  | (?:seed|tool|extra):[a-z_]{1,30}|mask:\d{1,3}
  | 0x[0-9a-f]{2}
"""
_SQUARE = r"""
    inst|system_prompt|available_tools|tool_(?:calls?|results?|content)|args|call_id|model_settings
  | img|img_break|img_end|audio|begin_audio|transcribe|streaming_(?:pad|word)|(?:repeat|next)_audio_text
  | prefix|middle|suffix|[gs]?mask|cls|sep|pad|unk|bos|eos|eot|eod|eom|eop|sop|end
  | (?:start|end)_header_id|startofpiece|endofpiece|multimodal|@bos@
  | (?:unused|unused_token|extra_id|special|reserved)_?\d{1,6}
"""

AFTER_ANGLE = rf"""
    \|(?: [^\s<>\[\]|]{{1,80}} \|>? )?            # <|im_start|>, <|turn>, and whatever else begins like them
  | [\w./:@-]{{1,80}} \|>                         # <turn|>
  | [\s_]? /? (?: {_ANGLE} ) \s? >                # <s>, </s>, < EOT >, <_<PRE>>
  | <? /? sys >>                                  # <<SYS>>
  | \[ [^\s<>\[\]]{{1,80}} \]>                    # <[begin_of_sentence]>
"""
"""What follows `<` in a special token."""

AFTER_SQUARE = rf"""
    \s? /? (?: {_SQUARE} ) \s? \]
  | \| /? \w{{1,40}} \|\]                         # [|assistant|]
  | e~\[                                          # [e~[
"""
"""What follows `[`."""

OTHERS = r"""
    \] ~? !? [a-z] ~? [\[\]]                      # ]~b] and ]~!b[ and ]!p~[
  | \] < \] [a-z_ ]{1,30} \[ > \[                 # ]<]image[>[
  | >> [a-z_]{3,24} \d{0,4} <<                    # >>QUESTION<<
"""
"""Special tokens that begin with neither."""

ROLES = r"system|user|assistant|human|developer|gpt4\ correct\ (?:user|assistant)|ассистент|пользователь"
"""Who speaks, in chat templates that say it in a word and a colon at the beginning of a line (Vicuna, RWKV, Alpaca)."""

SPOKEN = re.compile(
    rf"""
        <\|? [^\s<>\[\]|]{{2,40}} \|> | < /? (?: {_ANGLE} ) > | \[ /? (?: {_SQUARE} ) \] | \[\| /? \w{{1,40}} \|\]
      | </? (?: response|output|solution|final_answer|final ) >
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A special token in a reply, or a tag that some models put around their answer."""
