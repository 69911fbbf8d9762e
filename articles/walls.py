"""Tell a story's text from what stands in its place: a wall for subscribers, a question for consent, another page."""

import re

from articles import cleaning, words

ALIKE = 0.4
"""The share of a teaser's telling words that its story must have; a summary is written in words of its own."""
MORE, MORE_WORDS = 1.25, 25
"""How many times the feed's words, and how many more, the page must have: else it gives no more than the feed."""
_SHORT = 60
"""Words of a block. A longer one that speaks of subscribers is part of a story."""
_PART = re.compile(r"</?(?:p|h2|h3|ul|ol|li|blockquote)(?: [^>]*)?>")

_WALLS = (
    # English
    r"subscribe to (continue|read|keep|unlock|get full)|already (a subscriber|have (an account|a subscription))",
    r"subscribers only|(log|sign) in to (continue|read|keep)|register (for free )?to (continue|read)",
    r"to continue reading|unlock this (article|story)|free articles? (left|remaining)|start your free trial",
    r"(accept|reject|allow) (all )?cookies|we value your privacy|we and our( \d+)? partners",
    r"(enable|turn on) javascript|disable your ad ?blocker|you are( not)? a (human|robot)|access denied",
    # Italian
    r"abbonati per (continuare|leggere)|già abbonat[oa]\?|riservat[oi] agli abbonati",
    r"(accedi|registrati) per (continuare|leggere)|(accetta|rifiuta) (tutti )?(i )?cookie",
    # French, Spanish, Portuguese, German
    r"abonnez-vous pour|déjà abonné|réservé (à nos|aux) abonnés|(accepter|refuser) (tous )?les cookies",
    r"suscríbete para|ya eres suscriptor|para (suscriptores|assinantes)|(aceptar|rechazar) (todas )?las cookies",
    r"assine para (continuar|ler)|já é assinante|(aceitar|rejeitar) (todos )?(os )?cookies",
    r"weiterlesen mit|jetzt abonnieren|nur für abonnenten|cookies (akzeptieren|ablehnen)",
    # Arabic
    r"اشترك (الآن )?(لمتابعة|للمتابعة|لقراءة)|للمشتركين فقط|هل أنت مشترك",
    r"سجل الدخول (لمتابعة|للمتابعة|لقراءة)|(قبول|رفض) (جميع |كل )?ملفات تعريف الارتباط",
    # Chinese
    r"(订阅|登录|登陆|注册|付费)(后|以|即可)(即可)?(继续)?(阅读|查看)|(会员|订户)(专享|专属)",
    r"(訂閱|登入|註冊|付費)(後|以|即可)(即可)?(繼續)?(閱讀|查看)|(會員|訂戶)(專享|專屬|限定)",
    r"(接受|同意|拒绝|拒絕)(所有|全部)?\s?cookie",
    # Japanese, Korean
    r"会員限定|続きを読むには|この記事は有料|ログインして(続き|全文)",
    r"구독자 전용|구독하고 계속|로그인 (후|하고) (계속|전문|이용)|유료 회원|쿠키.{0,6}(허용|동의)",
)
_WALL = re.compile("|".join(_WALLS))


def why_not(body: str, *, own: str, headline: str) -> str:
    """Return why clean HTML from a page is not the story of which a feed has `own` words; '' when it is."""
    text = cleaning.text_of(body)
    has, had = words.count(text), words.count(own)
    if has < max(had * MORE, had + MORE_WORDS):
        return f"the page gives no more than the feed ({has} words, {had} in the feed)"
    if (alike := _alike(text, f"{headline} {own}")) < ALIKE:
        return f"it is another text than the feed's: it has {alike:.0%} of its words"
    if wall := _wall(body):
        return f'the page asks for something before it shows its text: "{wall}"'
    return ""


def _alike(text: str, own: str) -> float:
    """Return which share of the terms of a teaser a text has."""
    wanted = set(words.terms(own))
    return len(wanted & set(words.terms(text))) / len(wanted) if wanted else 1.0


def _wall(body: str) -> str:
    """Return what a wall says, of a text that has one: in a short block of its own."""
    for part in _PART.split(body):
        block = " ".join(cleaning.text_of(part).split())
        if _WALL.search(block.casefold()) and words.count(block) <= _SHORT:
            return cleaning.cut(block, most=100)
    return ""
