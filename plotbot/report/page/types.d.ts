// For the type checker alone, no page holds it: what the scripts are handed (`document.py`, `payloads.py`, `history.py`
// and `labels.py` write it), the elements of the pages that have an id, and the words that the scripts share.

// ---- The index of index.html: the tables, and every entry as columns of numbers.

type Outcome = "passed" | "failed" | "error" | "skipped" | "not_run" | "not_needed";
/** A text, or a name that comes from outside. */
type Sentence = (string | { name: string })[];
type ColumnKind = "rate" | "interval" | "count" | "figure" | "faults" | "text";
type TableHead = [label: string, kind: ColumnKind];
type CountedFault = [category: string, count: number];
type Bounds = [low: number, high: number];
type Gate = [verdict: string, threshold: number];
type Speed = [tokensPerSecond: number, source: string];

type CellValue = string | number | null | CountedFault[];
/** A row of a table; the kind of a column decides what its cell is. */
interface TableRow {
  cells: CellValue[];
  rate: number | null;
  interval?: Bounds | null;
  interval_words?: string;
  gate?: Gate | null;
  mixed?: boolean;
}

interface Group extends TableRow {
  group: string;
  worse: boolean;
}

interface Host extends TableRow {
  host: string;
}

type Look = [titles: number, rate: number | null, low: number | null, high: number | null];

/** A sequential gate's looks, in numbers for the chart and in words for the table. */
interface Course {
  planned: number;
  zone: boolean;
  looks: Look[];
  heads: string[];
  rows: string[][];
}

/** A model in one variant in a run. `run` is empty if the page shows one run. */
interface Contender extends TableRow {
  model: string;
  variant: string;
  label: string;
  run: string;
  mixed: boolean;
  failures: Record<string, number>;
  errors: Record<string, number>;
  seconds: [median: string, p95: string];
  speed: Speed | null;
  gate: Gate | null;
  course: Course | null;
  repeats: string[] | null;
  groups: Group[];
  hosts: Host[];
  asides: Sentence;
}

/** Every planned item; an entry is a position in these lists. */
interface Entries {
  key: string[];
  title: number[];
  column: number[];
  category: number[];
  place: (number | null)[];
  repeat: number[];
  seconds: (number | null)[];
  speed: (number | null)[];
  broken: Record<number, number[]>;
  replaced: Record<number, number>;
}

interface PageIndex {
  made_at: string;
  runs: { name: string; facts: [name: string, value: string][] }[];
  words: Record<"best" | "fails" | "missing" | "mixed" | "gates", Sentence[]> & {
    left_out: string;
    accounting: string;
  };
  model_columns: TableHead[];
  repeat_columns: TableHead[];
  host_columns: TableHead[];
  group_columns: TableHead[];
  model_pages: string[];
  contenders: Contender[];
  columns: [contender: number, format: string, prompt: string][];
  judged: { rows: [subject: Sentence, question: string, result: Sentence][]; sentences: Sentence[] }[];
  audits: { heads: string[]; rows: string[][]; sentences: Sentence[] }[];
  titles: [id: string, text: string, fields?: string][];
  /** The number of the first payload in each chunk. */
  starts: number[];
  categories: [outcome: Outcome, category: string][];
  places: [field: string, keyword: string][];
  entries: Entries;
}

// ---- The payload of a case, from a chunk.

/** A text that may be cut: its whole length, and parts with the offsets at which they start, in characters. */
interface Pieces {
  length: number;
  parts: TextPart[];
  unit?: "bytes";
}
type TextPart = [offset: number, text: string];
/** A violation or a finding. */
type Fault = [path: string, keyword: string, message: string];

/** An item; of one without a result only its name is known. */
interface Item extends Partial<ItemResult> {
  item: string;
}

interface ItemResult {
  outcome: Outcome;
  category: string;
  verdict: string;
  message: Pieces;
  explained: [label: string, text: string][];
  mark: number | null;
  violations: Fault[];
  violation_count: number;
  findings: Fault[];
  finding_count: number;
  recoverable: boolean;
  tolerated: boolean;
  kept: boolean;
  seconds: number;
  phase: string;
}

/** A number stands for a text of the shared ones. */
type SharedText = string | number;

interface Message {
  role: string;
  parts: SharedText[];
}

type Attempt = [at: string, seconds: number, status: number | null, host: string, fault: string | null];

interface Exchange {
  at: string;
  seconds: number;
  speed: Speed | null;
  attempts: Attempt[];
  attempt_count: number;
  host: string;
  reused: string;
  fault: [category: string, message: string] | null;
  raw: Pieces | null;
  content: Pieces | null;
  reasoning: Pieces | null;
  finish_reason: string | null;
  model: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  params: string;
  fingerprint: SharedText;
  details: Pieces | null;
}

interface Payload {
  items: Record<string, Item>;
  case: { id: string; slug: string; prompt: string; repeat: number; seed: number } | null;
  messages: Message[];
  exchange: Exchange | null;
}

// ---- The data of history.html and of the page of labels.

interface HistoryRun {
  id: string;
  started: string;
  note: string;
  ended: boolean;
  link: string;
}

interface HistoryPoint {
  run: number;
  rate: number | null;
  interval: Bounds | null;
  shown: string;
  passed: number;
  rated: number;
  changes: string[];
}

interface HistorySeries {
  label: string;
  points: HistoryPoint[];
}

interface HistoryIndex {
  made_at: string;
  left_out: number;
  runs: HistoryRun[];
  series: HistorySeries[];
}

type LabelTask = [answer: number, criterion: number];

interface LabelData {
  run: string;
  name: string;
  answers: { id: string; headline: string; entries: unknown[] }[];
  criteria: { name: string; question: string; wording: string }[];
  tasks: LabelTask[];
}

/** What the browser stores: a label, or who labels. */
interface Stored {
  label?: string;
  at?: string;
  labeller?: string;
}

// ---- The view of index.html, which is its address.

/** The facts of an answer that are numbers. */
type FactKey = "seconds" | "speed" | "tokens" | "attempts" | "length";
type OrderKey = FactKey | "plan" | "passed" | "title" | "verdict" | "group";
type ViewKey = "fields" | "pretty" | "raw" | "diff";

/** `column` is the one whose answers decide; null for all. */
interface Order {
  key: OrderKey;
  descending: boolean;
  column: number | null;
}

interface View {
  q: string;
  sort: Order;
  rows: string;
  fields: string[];
  facts: FactKey[];
  hide: number[];
  cases: string[] | null;
  view: ViewKey | "";
}

/** A choice that writes a term into the query; it is there where it would choose anything. */
type TermChoice = "model" | "variant" | "run" | "format";

interface Controls extends Partial<Record<TermChoice, HTMLSelectElement>> {
  text: HTMLInputElement;
  category: HTMLSelectElement;
  order: HTMLSelectElement;
  rows: HTMLSelectElement;
}

// ---- What the scripts hand to each other.

/** A term of a query: `:` means "contains", `=` "is exactly". */
interface Term {
  key: string;
  op: string;
  values: string[];
  not: boolean;
}

interface Query {
  terms: Term[];
  faults: string[];
}

/** What is known of an entry, to compare terms with; texts in lower case. */
type Fact = string | number | null | undefined;

/** A part of two texts, or of one of them. */
interface Piece {
  kind: "same" | "gone" | "new";
  text: string;
}

/** A place in a reply, in UTF-16 units. */
interface Place {
  start: number;
  end: number;
  label: string;
}
type FoundValue = (path: string, start: number, end: number) => void;
/** The numbers of what is held against a value, by its path. */
type PathLabels = Map<string, number[]>;

interface FailureRow {
  outcome: "failed" | "error";
  category: string;
  counts: number[];
}

type CsvValue = string | number | null | undefined;

/** A contender whose gate has looked. */
type Sequential = Contender & { course: Course; gate: Gate };

type CellMaker<Value> = (value: Value, label: string, one: TableRow, scale: Bounds) => HTMLElement;
interface CellMakers {
  rate: CellMaker<string>;
  interval: CellMaker<null>;
  count: CellMaker<number>;
  figure: CellMaker<string>;
  faults: CellMaker<CountedFault[]>;
  text: CellMaker<string>;
}

// ---- Nodes.

type AttributeName =
  | "autocomplete" | "autofocus" | "checked" | "class" | "dir" | "disabled" | "download" | "hidden" | "href" | "id"
  | "placeholder" | "readonly" | "role" | "scope" | "spellcheck" | "start" | "tabindex" | "title" | "type" | "value"
  | "cx" | "cy" | "height" | "points" | "preserveAspectRatio" | "r" | "text-anchor" | "viewBox" | "width"
  | "x" | "x1" | "x2" | "y" | "y1" | "y2"
  | `aria-${string}` | `data-${string}`; // prettier-ignore
/** Attributes and listeners; true is an attribute without a value, false and null are none. */
type Attributes = { [name in AttributeName]?: string | number | boolean | null } & {
  [event in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[event]) => unknown;
};
type Child = Node | string | null | undefined | false | Child[];

/** The elements with an id, by it: a script that names another one is wrong. */
interface PageElements {
  [chunk: `chunk-${number}`]: HTMLScriptElement;
  about: HTMLElement;
  "about-title": HTMLElement;
  answers: HTMLElement;
  audit: HTMLElement;
  "audit-section": HTMLElement;
  back: HTMLButtonElement;
  bar: HTMLProgressElement;
  case: HTMLDialogElement;
  "choose-columns": HTMLDetailsElement;
  data: HTMLScriptElement;
  direction: HTMLButtonElement;
  done: HTMLElement;
  download: HTMLButtonElement;
  earlier: HTMLElement;
  fail: HTMLButtonElement;
  failures: HTMLElement;
  "filter-text": HTMLInputElement;
  filters: HTMLFormElement;
  gates: HTMLElement;
  "gates-section": HTMLElement;
  "gates-title": HTMLElement;
  groups: HTMLElement;
  "groups-section": HTMLElement;
  headline: HTMLElement;
  help: HTMLDialogElement;
  hosts: HTMLElement;
  "hosts-section": HTMLElement;
  index: HTMLScriptElement;
  judged: HTMLElement;
  "judged-section": HTMLElement;
  labeller: HTMLInputElement;
  lines: HTMLElement;
  matrix: HTMLElement;
  models: HTMLElement;
  none: HTMLElement;
  notice: HTMLElement;
  origin: HTMLElement;
  pass: HTMLButtonElement;
  progress: HTMLElement;
  question: HTMLElement;
  repeats: HTMLElement;
  "repeats-section": HTMLElement;
  runs: HTMLElement;
  seed: HTMLElement;
  short: HTMLElement;
  shown: HTMLElement;
  speed: HTMLElement;
  table: HTMLElement;
  task: HTMLElement;
  texts: HTMLScriptElement;
  toast: HTMLElement;
  unsure: HTMLButtonElement;
  violations: HTMLElement;
  "violations-section": HTMLElement;
  who: HTMLFormElement;
}

// Browsers older than this method are served, too.
interface String {
  toWellFormed?(): string;
}
