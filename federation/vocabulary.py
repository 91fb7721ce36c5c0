"""Mirror the enumerations of the contract, so that floor 2 speaks them without the wire format.

Names and numbers equal ``tocsin/v1``; ``federation.indicators`` holds ``Kind`` and ``KindClass``.
A zero is a member here only where the contract gives it a meaning ("not known").
"""

import enum


class Purpose(enum.IntEnum):
    """Say why a value is processed."""

    NOMINATION = 1
    CHECK = 2
    WATCH = 3
    VERIFICATION = 4
    PROTECTION = 5
    OPERATION = 6
    TRAINING = 7
    PAYMENT_HOLD = 8
    WARNING = 9
    ONE_ID = 10


class LegalBasis(enum.IntEnum):
    """Name the rule of law that a statement rests on. Source: DOMAIN §6.8."""

    ATNFL_10 = 1
    ATNFL_16 = 2
    ATNFL_22 = 3
    ATNFL_32 = 4
    CONSENT = 5
    CHARTER = 6


class TrafficLight(enum.IntEnum):
    """Say how far a statement may travel. Source: TLP 2.0."""

    CLEAR = 1
    GREEN = 2
    AMBER = 3
    AMBER_STRICT = 4
    RED = 5


class PermissibleAction(enum.IntEnum):
    """Say what may be done with a statement. Source: PAP."""

    CLEAR = 1
    GREEN = 2
    AMBER = 3
    RED = 4


class FraudType(enum.IntEnum):
    """Name a type of fraud. Source: DOMAIN §6.1."""

    FAKE_TASK = 1
    INVESTMENT = 2
    SHOPPING = 3
    CUSTOMER_SERVICE = 4
    LOAN = 5
    CREDIT_RECORD = 6
    ACQUAINTANCE = 7
    GOVERNMENT = 8
    ROMANCE = 9
    GAME_GOODS = 10
    PROCUREMENT = 11
    BLACK_INDUSTRY = 12
    OTHER = 99


class FraudStage(enum.IntEnum):
    """Name a stage of a fraud; zero is not known. Source: DOMAIN §6.2."""

    UNSPECIFIED = 0
    TARGETING = 1
    PREPARATION = 2
    CONTACT = 3
    PAYMENT = 4


class SubjectRole(enum.IntEnum):
    """Say what the subject of an indicator is in the fraud; zero is not known."""

    UNSPECIFIED = 0
    OFFENDER_RESOURCE = 1
    MULE = 2
    VICTIM = 3
    SPOOFED = 4
    IMPERSONATED_BRAND = 5
    SHARED_INFRASTRUCTURE = 6


class Origin(enum.IntEnum):
    """Say where the use of an indicator comes from; zero is not known. Source: DOMAIN R20."""

    UNSPECIFIED = 0
    DOMESTIC = 1
    OVERSEAS = 2


class Band(enum.IntEnum):
    """Name the bands of a verdict, weakest first, so that they compare."""

    NONE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    VERY_HIGH = 5


class SightingKind(enum.IntEnum):
    """Say what a sighting says."""

    SEEN = 1
    FALSE_POSITIVE = 2
    EXPIRED = 3


class OpinionValue(enum.IntEnum):
    """Name the five steps of agreement. Source: STIX 2.1 section 10.6."""

    STRONGLY_DISAGREE = 1
    DISAGREE = 2
    NEUTRAL = 3
    AGREE = 4
    STRONGLY_AGREE = 5


class OpinionBasis(enum.IntEnum):
    """Say what an opinion rests on."""

    OWN_RECORDS = 1
    COMPLAINT = 2
    KNOWN_BENIGN = 3
    EXAMINED = 4


class RetractionReason(enum.IntEnum):
    """Say why a statement is taken back."""

    MISTAKEN = 1
    OVER = 2
    ERASURE = 3


class ProtectionGround(enum.IntEnum):
    """Say why an object is protected."""

    EMERGENCY = 1
    AUTHORITY = 2
    HOTLINE = 3
    SHARED_INFRASTRUCTURE = 4
    DAILY_LIFE = 5


class KeyAction(enum.IntEnum):
    """Say what a key ceremony does."""

    GENERATE = 1
    REFRESH = 2
    RESHARE = 3


class AlarmKind(enum.IntEnum):
    """Say what endangers the federation."""

    QUOTA_EXCEEDED = 1
    LOG_FORKED = 2
    EVALUATION_WRONG = 3
    STATEMENT_REFUSED = 4
    MODEL_DRIFTED = 5
    MATTER_OVERDUE = 6


class TrainingTask(enum.IntEnum):
    """Say what is learnt."""

    CARRIER_SUBSCRIBERS = 1
    BANK_CUSTOMERS = 2
    INTERNET_PAGES = 3
    TABLE = 99


class TrainingLabel(enum.IntEnum):
    """Say what makes a row positive."""

    COLUMN = 1
    CONFIRMED = 2
    DESIGNATED = 3


class TrainingUse(enum.IntEnum):
    """Say what rows and model may be used for."""

    SCORE_OWN_SUBJECTS = 1
    TRIAL = 2


class TrainingModel(enum.IntEnum):
    """Name the model that is trained."""

    RESIDUAL = 1
    LOGISTIC = 2
    TREES = 3


class TrainingStrategy(enum.IntEnum):
    """Say how one model is made of the members' updates."""

    FED_AVG = 1
    FED_PROX = 2
    FED_ADAM = 3
    FED_TRIMMED_AVG = 4
    MULTI_KRUM = 5
    FED_XGB_BAGGING = 6


class TrainingProtection(enum.IntEnum):
    """Say who can see an update."""

    SECRET = 1
    ROBUST = 2


class TrainingLeaks(enum.IntEnum):
    """Say what happens to a column whose emptiness tells the label."""

    DROP = 1
    REFUSE = 2
    KEEP = 3


class TrainingDecision(enum.IntEnum):
    """Say what a member decides about a plan or a release."""

    APPROVE = 1
    REFUSE = 2
    APPROVE_RELEASE = 3
    REFUSE_RELEASE = 4


class TrainingReason(enum.IntEnum):
    """Say why a member refused or is not in a round; zero is no reason."""

    UNSPECIFIED = 0
    BY_HAND = 1
    POLICY = 2
    BUDGET_SPENT = 3
    DATA_MISSING = 4
    DATA_INVALID = 5
    CODE_DIFFERS = 6
    PLAN_NOT_APPROVED = 7
    PLAN_EXPIRED = 8
    DEADLINE_PASSED = 9
    CONNECTION_LOST = 10
    UPDATE_NOT_FINITE = 11
    UPDATE_SHAPE = 12
    UPDATE_NORM = 13
    UPDATE_WEIGHT = 14
    PROTOCOL = 15
    WORKER_FAILED = 16
    UPDATE_OPPOSED = 17


class TrainingOutcome(enum.IntEnum):
    """Say how a member came out of a round."""

    OK = 1
    LATE = 2
    REFUSED = 3
    REJECTED = 4


class TrainingMetric(enum.IntEnum):
    """Name what is measured."""

    PR_AUC = 1
    ROC_AUC = 2
    MACRO_F1 = 3
    RECALL_AT_ALERTS = 4
    PRECISION_AT_FPR = 5
    CALIBRATION_ERROR = 6
    THRESHOLD = 7
    MEMBERSHIP_ADVANTAGE = 8
    ACTION_THRESHOLD = 9


class TrainingCandidate(enum.IntEnum):
    """Say which model is measured."""

    FEDERATED = 1
    LOCAL = 2


class ModelStage(enum.IntEnum):
    """Name where a coordinator takes a plan or its model."""

    ENROLLED = 1
    SHADOW = 2
    RELEASED = 3
    REJECTED = 4
    RETIRED = 5


class WarningChannel(enum.IntEnum):
    """Say how a warning reaches a person. Source: DOMAIN R35."""

    SMS = 1
    FLASH = 2
    VOICE = 3
    APP_PUSH = 4
    VISIT = 5


class WarningUrgency(enum.IntEnum):
    """Say how soon a warning must be sent."""

    ROUTINE = 1
    PROMPT = 2
    IMMEDIATE = 3


class AgeBand(enum.IntEnum):
    """Say whether a person is easily misled; nothing more is told."""

    GENERAL = 1
    VULNERABLE = 2


class WarningAction(enum.IntEnum):
    """Say what was done with a warning."""

    SENT = 1
    ACKNOWLEDGED = 2
    ESCALATED = 3
    OUTCOME = 4


class WarningOutcome(enum.IntEnum):
    """Say how a warning ended."""

    DISSUADED = 1
    LOST = 2
    FALSE_ALARM = 3
    UNREACHED = 4


class CallContext(enum.IntEnum):
    """Say what is known of a number's calls before a payment. Source: DOMAIN R38."""

    ACTIVE_RISKY = 1
    RECENT_RISKY = 2
    NONE = 3
    UNKNOWN = 4


class ReportChannel(enum.IntEnum):
    """Say how a citizen's report came in."""

    COUNTER = 1
    HOTLINE = 2
    SMS = 3
    APPLICATION = 4
    WEB = 5
    REFERRED = 6


class CountBand(enum.IntEnum):
    """Say how many without saying how many, fewest first, so that they compare."""

    ONE = 1
    FEW = 2
    SOME = 3
    MANY = 4
    MASS = 5


class ReportAction(enum.IntEnum):
    """Name a step of a report's loop."""

    ACCEPT = 1
    REJECT = 2
    VERIFY = 3
    DISPOSE = 4
    UNSUBSTANTIATE = 5
    RECTIFY = 6
    ACCOUNT = 7
    FEED_BACK = 8
    CLOSE = 9
    WITHDRAW = 10


class ReportReason(enum.IntEnum):
    """Say why a report is turned down; zero is no reason."""

    UNSPECIFIED = 0
    NOT_OURS = 1
    NOT_FRAUD = 2
    DUPLICATE = 3
    INCOMPLETE = 4
    MASS_REPORTING = 5
    TAKEN_BACK = 6
    NO_EVIDENCE = 7


class MarkLabel(enum.IntEnum):
    """Say what customers mark a number as."""

    FRAUD = 1
    HARASSMENT = 2
    ADVERTISING = 3
    DEBT_COLLECTION = 4
    FINANCE_OFFER = 5
    ESTATE_AGENT = 6
    DELIVERY = 7
    CUSTOMER_SERVICE = 8


class CorrectionReason(enum.IntEnum):
    """Say why marks of a number are taken back."""

    MISTAKEN = 1
    OVER = 2


class VerificationAnswer(enum.IntEnum):
    """Say what a member's own data say about an indicator. Source: DOMAIN R03."""

    HIT_SUSPECT = 1
    HIT_BENIGN = 2
    NO_RECORD = 3
    DECLINE = 4


class VerificationDecision(enum.IntEnum):
    """Say how a person decides a conflict of answers."""

    CONFIRM = 1
    REFUTE = 2


class Measure(enum.IntEnum):
    """Name what may be done about a subject; the prefix says by whom. Source: DOMAIN §6.5."""

    T_CHECK = 1
    T_REFUSE = 2
    T_REVERIFY = 3
    T_LIMIT = 4
    T_SUSPEND = 5
    T_IOT_SUSPEND = 6
    T_IOT_REVERIFY = 7
    T_BLOCK_CALL = 8
    T_TRACE = 9
    T_DEVICE_BLOCK = 10
    T_SHUTDOWN = 11
    F_VERIFY = 21
    F_REVERIFY = 22
    F_DELAY = 23
    F_LIMIT = 24
    F_STOP = 25
    F_URGENT_STOP = 26
    F_FREEZE = 27
    F_UNFREEZE = 28
    F_RETURN = 29
    I_RECTIFY = 41
    I_LIMIT = 42
    I_SUSPEND = 43
    I_CLOSE = 44
    I_NOREREG = 45
    I_TAKEDOWN_APP = 46
    I_TAKEDOWN_DOMAIN = 47
    N_BLOCK = 48
    W_WARN = 61
    W_DISSUADE = 62
    X_HANDOVER = 71
    R_LIFT = 81
    R_CLEAR = 82


class DispositionReason(enum.IntEnum):
    """Say to the person concerned why a measure was taken."""

    CONFIRMED_FRAUD = 1
    DESIGNATED_CASE = 2
    SIM_FARM = 3
    MULE_PATTERN = 4
    LINKED_TO_RISK = 5
    ABNORMAL_USE = 6
    IDENTITY_UNPROVEN = 7
    IMPERSONATION = 8
    HARMFUL_SOFTWARE = 9
    REPORT_SUBSTANTIATED = 10


class Remedy(enum.IntEnum):
    """Say what the person concerned can do about a measure."""

    REVERIFY_IDENTITY = 1
    EXPLAIN_USE = 2
    RECTIFY = 3
    APPEAL = 4
    APPLY_TO_POLICE = 5


class DocumentsNeeded(enum.IntEnum):
    """Say what the remedy needs."""

    NONE = 1
    PROOF_OF_IDENTITY = 2
    PROOF_OF_PURCHASE = 3
    PROOF_OF_TRANSACTION = 4
    BUSINESS_LICENCE = 5
    FILING_RECORD = 6


class DispositionBasis(enum.IntEnum):
    """Say what an order rests on."""

    VERIFICATION = 1
    DESIGNATION = 2
    CLUE = 3
    REPORT = 4
    CHARTER = 5


class Authority(enum.IntEnum):
    """Say in whose power an order is given."""

    FEDERATION = 1
    POLICE = 2
    MEMBER = 3


class NoticeDuty(enum.IntEnum):
    """Say whether the person concerned is told in the notice window."""

    IN_TIME = 1
    DEFERRED = 2


class ReceiptStep(enum.IntEnum):
    """Say what a member did about an order."""

    EXECUTED = 1
    NOT_MINE = 2
    EXEMPT = 3
    NOTIFIED = 4
    RESTORED = 5


class AmountBand(enum.IntEnum):
    """Say how much money a measure holds, as a band. Source: DOMAIN R62."""

    NOTHING = 1
    BELOW_1000 = 2
    BELOW_10000 = 3
    BELOW_100000 = 4
    BELOW_1000000 = 5
    MORE = 6


class Exemption(enum.IntEnum):
    """Say why a member does not execute an order."""

    PROTECTED_OBJECT = 1
    SHARED_INFRASTRUCTURE = 2
    LIFTED = 3
    KNOWN_BENIGN = 4
    REASSIGNED = 5
    TERM_OVER = 6
    SPOOFED_NUMBER = 7


class DispositionOutcome(enum.IntEnum):
    """Say how a measure ended. Source: DOMAIN §6.5."""

    PASS = 1
    FAIL = 2
    NO_RESPONSE = 3
    EXPIRED = 4
    LIFTED_APPEAL = 5
    LIFTED_REFUTED = 6
    LIFTED_TERM = 7
    LIFTED_DECISION = 8
    LIFTED_REASSIGNED = 9


class OrderDecision(enum.IntEnum):
    """Say what is decided about an order."""

    AUTHORISE = 1
    REJECT = 2
    LIFT = 3


class ReverifyResult(enum.IntEnum):
    """Say how the person concerned came out of a new verification of identity."""

    PASS = 1
    FAIL = 2
    NO_RESPONSE = 3


class AppealGround(enum.IntEnum):
    """Say what an appeal rests on."""

    NOT_THE_OFFENDER = 1
    NEW_OWNER = 2
    HARMLESS_USE = 3
    IDENTITY_PROVEN = 4
    DISPROPORTIONATE = 5


class AppealResult(enum.IntEnum):
    """Say how an appeal was decided."""

    UPHELD = 1
    LIFTED = 2


class Sector(enum.IntEnum):
    """Say whose members a duty is for. Source: DOMAIN R45."""

    CARRIER = 1
    BANK = 2
    INTERNET = 3


class DutyEvidence(enum.IntEnum):
    """Say what an attestation of a duty rests on. Source: DOMAIN R39."""

    SELF_CHECK = 1
    AUDIT = 2
    SYSTEM_RECORDS = 3
    METRICS = 4
    TRAINING_RECORDS = 5
    RULES = 6


class DesignationEnd(enum.IntEnum):
    """Say why the police take a designation back."""

    MISTAKEN = 1
    OVER = 2


class ClueSource(enum.IntEnum):
    """Say what found a clue; what the law keeps secret has no value (R67)."""

    PERSON = 1
    RULE = 2
    MODEL = 3
    MATCH = 4
    REPORT = 5


class ClueRelation(enum.IntEnum):
    """Say how two objects belong together."""

    SAME_EQUIPMENT = 1
    SAME_SITE = 2
    SAME_HOLDER = 3
    CALLED = 4
    REGISTERED_WITH = 5
    PAID = 6
    LEADS_TO = 7
    HOSTED_BY = 8


class ClueReason(enum.IntEnum):
    """Say why something is a clue."""

    FARM_PATTERN = 1
    MASS_CALLING = 2
    FAST_IN_FAST_OUT = 3
    IMPERSONATION = 4
    FRAUD_APP = 5
    FRAUD_PAGE = 6
    COMPLAINT = 7
    MODEL_SCORE = 8
    SEVERAL_MEMBERS = 9


class ClueMove(enum.IntEnum):
    """Say where a clue goes."""

    TRIAGED = 1
    TRACED = 2
    ACCEPTED = 3
    RETURNED = 4
    CLOSED = 5


class ClueReturn(enum.IntEnum):
    """Say why the police give a clue back; zero for other steps."""

    UNSPECIFIED = 0
    EVIDENCE_MISSING = 1
    NOT_COMPETENT = 2
    DUPLICATE = 3
    UNREADABLE = 4


class ClueResult(enum.IntEnum):
    """Say what came of a clue."""

    FRAUD = 1
    NOT_FRAUD = 2
    INSUFFICIENT = 3


class LureClass(enum.IntEnum):
    """Say how victims are drawn in. Source: DOMAIN §6.1, R30."""

    PROFIT = 1
    THREAT = 2
    CARE = 3


class SupplyRole(enum.IntEnum):
    """Say what the supply chain of fraud gives. Source: DOMAIN §6.1, R30."""

    MATERIAL = 1
    TECH = 2
    TRAFFIC = 3
    SETTLEMENT = 4


class NoticeAction(enum.IntEnum):
    """Say what was done about a notice. Source: DOMAIN R40."""

    REPLIED = 1
    RECTIFIED = 2
    RETURNED = 3
    CLOSED = 4
    WITHDRAWN = 5


class TraceAnswer(enum.IntEnum):
    """Say what a holder found in a trace."""

    NEXT = 1
    END = 2
    NOT_HELD = 3


class AccountKind(enum.IntEnum):
    """Say what stands under an identity."""

    SIM = 1
    BANK_ACCOUNT = 2
    INTERNET_ACCOUNT = 3


class OneIdMove(enum.IntEnum):
    """Say what a holder does about a dispute."""

    ACCEPTED = 1
    CLOSED = 2
    REJECTED = 3


class OneIdReason(enum.IntEnum):
    """Say why a holder rejects a dispute; zero for other steps."""

    UNSPECIFIED = 0
    NOT_AUTHENTIC = 1
    HELD_BY_CITIZEN = 2
    NOT_HELD = 3
    LEGAL_HOLD = 4
    DUPLICATE = 5
    EVIDENCE_MISSING = 6
