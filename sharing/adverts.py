"""Words by which an advertisement, a web address or a telephone number in a name or a note is known.

No list is complete, and none has to be: what is sent is one story to a few friends of somebody who proved their
mailbox. The list makes the field of little use to whoever wants their own words in a stranger's inbox. No word here is
a name that we know of; words that are names, too (Win, Sale, Cash), count only when several come together.
"""

import re

from sharing import scripts

_ALWAYS = """
casino kasino viagra cialis bitcoin crypto cryptocurrency forex porn porno xxx jackpot lottery betting gambling
sportsbook slots roulette discount coupon voucher cashback clickhere subscribe unsubscribe whatsapp telegram wechat
paypal http https www html hxxp webcam escort nudes loans payday bestprice freebie giveaway invest investment
refinance prescription pills replica promo admin administrator webmaster postmaster helpdesk noreply mailerdaemon
dotcom dotnet dotorg dotru dotcn gratis scommesse prestito prestiti sconto sconti offerta offerte apuestas descuento
descuentos prestamo prestamos cassino apostas desconto gratuit gratuite reduction wettbüro gewinnspiel rabatt
kostenlos kredit kredite казино бесплатно кредит кредиты займ займы выигрыш скидка скидки ставки букмекер заработок
порно безкоштовно кредити знижка знижки виграш коцкарница бесплатни бясплатна كازينو كازينوهات مجانا مجاني قروض قرض
مراهنات جائزة خصم تخفيضات اربح קזינו הימורים הלוואה הלוואות מבצע καζινο δωρεαν δανειο δανεια στοιχημα कैसीनो मुफ्त
लोन คาสิโน บาคาร่า สล็อต เครดิตฟรี
"""
"""Whole words."""
_ANYWHERE = """
微信 加微 薇信 加我 威信号 扣扣 QQ群 企鹅号 博彩 赌场 赌博 賭場 賭博 澳门新 葡京 彩票 彩金 红包 紅包 优惠 優惠 免费
免費 点击 點擊 网址 網址 官网 官網 网站 網站 发票 發票 贷款 貸款 娱乐城 娛樂城 下注 投注 开户 開戶 棋牌 百家乐 百家樂
客服 代购 代購 促销 促銷 打折 特价 特價 兼职 兼職 赚钱 賺錢 日赚 返利 中奖 中獎 领取 領取 点康姆 點康姆 点com 點com
电话 電話 热线 熱線 加群 充值 提现 提現 裸聊 约炮 カジノ 無料 出会い系 副業 儲かる 当選 クリック 카지노 바카라
토토사이트 무료 대출 당첨 클릭 도박 온라인바다
"""
"""Anywhere in a name: these languages have no spaces between words."""
_TOGETHER = """
free win winner winners cash sale bonus gift gifts prize prizes money deal deals offer offers buy now today
prices bet bets shop store online credit sex girls hot call visit order save special limited guaranteed
premio premi premios vinci gana gagnez gewinn here click cheap loan earn link email mail phone contact support
security service team приз призы деньги выиграй
"""
"""Words that are names or part of honest ones: two different ones of them are a slogan."""
_MOST_TOGETHER = 1
_DOMAINS = "com|net|org|biz|io|ru|cn|xyz"
_DOT = "dot|punkt|punto|point|ponto|nokta|точка|крапка|нуқта|نقطة"
_DIGIT_WORDS = "zero|one|two|three|four|five|six|seven|eight|nine|oh"
_HAN_NUMBER = re.compile("[零〇一二三四五六七八九十两幺壹贰叁肆伍陆柒捌玖]{5,}")
_SPELT_NUMBER = re.compile(rf"(?:\b(?:{_DIGIT_WORDS})\b[\s.\-·]*){{4,}}")


def _words(text: str) -> frozenset[str]:
    return frozenset(map(scripts.skeleton, text.split()))


_WHOLE, _PARTS, _SOFT = _words(_ALWAYS), _words(_ANYWHERE), _words(_TOGETHER)
_SPELT_DOMAIN = re.compile(
    rf"(?:\b(?:{scripts.skeleton(_DOT)})|点|點|ドット|점)[\s\-]*(?:{_DOMAINS})\b|[a-z]{{2,}}(?:dot|punkt)(?:{_DOMAINS})\b"
)
_ALONE = re.compile(r"\bcom\b")
"""In a name; in a sentence it is a word of some languages."""


def is_advert(text: str) -> bool:
    """Say whether a name reads like an advertisement, or like a web address or a telephone number that is spelt out."""
    return any(map(_reads_like_advert, scripts.readings(text)))


def spells_address(text: str) -> bool:
    """Say whether a web address is spelt out: `example dot com`."""
    return any(map(_SPELT_DOMAIN.search, scripts.readings(text)))


def _reads_like_advert(seen: str) -> bool:
    words = frozenset("".join(char if scripts.is_of_word(char) else " " for char in seen).split())
    return (
        bool(words & _WHOLE)
        or any(part in seen for part in _PARTS)
        or len(words & _SOFT) > _MOST_TOGETHER
        or any(pattern.search(seen) for pattern in (_SPELT_DOMAIN, _ALONE, _HAN_NUMBER, _SPELT_NUMBER))
    )
