/** What the report says, in English and Korean. The strategies are told in the words of the question they answer. */
import type { StrategyName } from "../../../../packages/server/src/sessions/strategy.ts";
import type { FaultName } from "../faults.ts";
import type { MetricName } from "../row.ts";

export const LANGUAGES = ["en", "ko"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Words = Readonly<Record<Language, string>>;

export const WORDS = {
  title: { en: "Three servers: where does the log-in live?", ko: "서버 세 대, 로그인은 어디에 사는가" },
  story: {
    en: "A site has 900 people on at a time, and a server is made for 300. So there are three servers behind a load balancer. User A logs in at server 2, and server 2 keeps the session. The next request goes to server 1 or 3, because 2 is busy: there is no session of A there. Nobody knows who A is. That is the consistency problem, and there are five answers to it. This page measures what each costs and what it loses.",
    ko: "동시 접속자가 900명인데 서버 한 대는 300명까지 받는다. 그래서 로드밸런서 뒤에 서버를 세 대 둔다. 유저 A가 2번 서버에 로그인하고 2번 서버가 세션을 갖는다. 2번이 바빠서 다음 요청이 1번이나 3번으로 가면 거기에는 A의 세션이 없다. A가 누구인지 아무도 모른다. 이것이 정합성 문제이고, 답이 다섯 가지 있다. 이 페이지는 각각이 무엇을 치르고 무엇을 잃는지 측정한다.",
  },
  oracle: {
    en: "Every answer is judged by a ledger on the client's side that knows what each log-in is entitled to: right, a wrong refusal, a zombie (let in after it was ended for more than a second), the wrong user, or an error (5xx, a broken connection, no answer). An error is never counted as a refusal.",
    ko: "모든 응답은 클라이언트 쪽 장부가 판정한다. 장부는 각 로그인이 무엇을 할 자격이 있는지 안다. 맞음, 잘못된 거절, 좀비(끝난 지 1초가 넘었는데 받아들임), 다른 사람, 오류(5xx, 끊긴 연결, 무응답). 오류는 거절로 세지 않는다.",
  },
  strategies: { en: "The five strategies", ko: "다섯 가지 전략" },
  charts: { en: "What was measured", ko: "측정 결과" },
  table: { en: "Promised and measured", ko: "약속과 측정" },
  how: { en: "How it was measured", ko: "어떻게 측정했나" },
  repeat: { en: "Repeat it", ko: "직접 해보기" },
  promised: { en: "promised", ko: "약속" },
  predicted: { en: "theory", ko: "이론" },
  measured: { en: "measured (min – max)", ko: "측정 (최소 – 최대)" },
  kept: { en: "kept", ko: "지켰나" },
  fault: { en: "fault", ko: "장애" },
  metric: { en: "measure", ko: "항목" },
  strategy: { en: "strategy", ko: "전략" },
  yes: { en: "yes", ko: "예" },
  no: { en: "NO", ko: "아니오" },
  seconds: { en: "seconds after the fault", ko: "장애 뒤 초" },
  overTime: { en: "Wrong refusals while one of the servers is killed", ko: "서버 한 대를 죽였을 때의 잘못된 거절" },
  lost: { en: "Log-ins lost, by fault", ko: "장애별로 사라진 로그인" },
  logout: { en: "Forced log-out: until the last server refuses", ko: "강제 로그아웃: 마지막 서버가 거절할 때까지" },
  memory: { en: "Log-ins that one server holds", ko: "서버 한 대가 갖고 있는 로그인" },
  heap: {
    en: "Memory of one server for each log-in that there is anywhere",
    ko: "어딘가에 있는 로그인 하나마다 서버 한 대가 쓰는 메모리",
  },
  bytes: { en: "Bytes to and from the session store per log-in", ko: "로그인 한 번에 세션 저장소로 오간 바이트" },
  latency: { en: "Time of an answer to /v1/me", ko: "/v1/me 응답 시간" },
  skew: { en: "Load: the fullest server against the mean", ko: "부하: 가장 찬 서버와 평균의 비" },
  errors: { en: "Requests without an answer, by fault", ko: "장애별 응답 없는 요청" },
  servers: { en: "servers", ko: "서버 수" },
  users: { en: "users", ko: "명" },
} as const satisfies Record<string, Words>;

export const STRATEGY_WORDS: Readonly<Record<StrategyName, Words>> = {
  memory: {
    en: "Each server keeps the sessions of those who logged in there, and knows nothing of the others. With three servers and requests spread evenly, two of three go to a server that has never heard of the user.",
    ko: "서버마다 자기에게 로그인한 사람의 세션만 갖고 있고 나머지는 모른다. 서버가 셋이고 요청이 고르게 퍼지면 셋 중 둘은 그 유저를 들어본 적 없는 서버로 간다.",
  },
  sticky: {
    en: "Who logged in at server 1 goes to server 1 from then on. The consistency problem is gone; so is part of what the other servers are for: when a server dies, everyone who lived there is logged out, and a server that is added stands empty.",
    ko: "1번 서버에 로그인한 유저는 이후의 요청을 무조건 1번 서버에 한다. 정합성 문제는 사라지지만 스케일 아웃의 장점도 일부 사라진다. 서버가 죽으면 거기 살던 사람이 모두 로그아웃되고, 새로 넣은 서버는 비어 있다.",
  },
  replicated: {
    en: "If session 2 has A's session, it is copied to 1 and 3. Any server knows everyone, and a server that dies takes nobody along. Every server needs memory for everyone, and each log-in is sent to each server.",
    ko: "2번 서버에 A의 세션이 있으면 1번과 3번에 복제한다. 어느 서버나 모두를 알고, 서버가 죽어도 아무도 잃지 않는다. 대신 모든 서버가 모두를 담을 메모리가 필요하고 로그인마다 모든 서버로 보내야 한다.",
  },
  central: {
    en: "A session server of its own, which every server asks at each request. Nothing is copied; but when the session server dies, all sessions are gone, so it has replicas, and somebody who promotes one.",
    ko: "세션 서버를 따로 두고 모든 서버가 요청마다 물어본다. 복제할 것은 없다. 대신 세션 서버가 죽는 순간 모든 세션이 사라지므로 다중화하고, 대신할 서버를 올려 줄 누군가를 둔다.",
  },
  token: {
    en: "The app carries a signed token. Any server believes it by the key alone, without a session store; the log-in is looked up only when the token is renewed. And the sentence that such a token cannot be taken back while it lives is what the revocation feed makes wrong.",
    ko: "앱이 서명된 토큰을 들고 다닌다. 어느 서버나 키만으로, 세션 저장소 없이 믿는다. 로그인은 토큰을 갱신할 때만 찾아본다. 그런 토큰은 살아 있는 동안 막을 수 없다는 말을 폐기 피드가 틀리게 만든다.",
  },
};

export const FAULT_WORDS: Readonly<Record<FaultName, Words>> = {
  none: { en: "nothing happens", ko: "아무 일 없음" },
  kill_server: { en: "one server is killed", ko: "서버 한 대가 죽음" },
  drain_server: { en: "one server is stopped in order", ko: "서버 한 대를 순서대로 멈춤" },
  add_server: { en: "a fourth server is added", ko: "네 번째 서버를 더함" },
  freeze_store: { en: "the store freezes for 1.5 s", ko: "저장소가 1.5초 멈춤" },
  kill_store: { en: "the store's primary is killed", ko: "저장소의 주 서버가 죽음" },
  cut_replication_kill_store: {
    en: "the replication link is cut, then the primary is killed",
    ko: "복제 연결을 끊고 주 서버를 죽임",
  },
  partition_server: { en: "one server is cut off from the store for 1.2 s", ko: "서버 한 대가 저장소에서 1.2초 끊김" },
  restart_balancer: { en: "the load balancer is restarted", ko: "로드밸런서를 다시 시작함" },
  rolling_restart: { en: "all servers are restarted in turn", ko: "모든 서버를 차례로 다시 시작함" },
  restart_everything: { en: "everything is restarted at once", ko: "모두를 한꺼번에 다시 시작함" },
};

export const METRIC_WORDS: Readonly<Record<MetricName, Words>> = {
  requests: { en: "requests judged", ko: "판정한 요청" },
  wrong_refusals: { en: "wrong refusals", ko: "잘못된 거절" },
  users_hit: { en: "users refused wrongly", ko: "잘못 거절된 유저" },
  errors: { en: "errors", ko: "오류" },
  wrong_user: { en: "wrong user", ko: "다른 사람" },
  zombies: { en: "zombies", ko: "좀비" },
  devices_kept: { en: "replaced devices let in", ko: "밀려난 기기를 받아들임" },
  sessions_lost: { en: "log-ins lost", ko: "사라진 로그인" },
  ends_undone: { en: "forced log-outs undone", ko: "되살아난 강제 로그아웃" },
  recovered: { en: "until right again", ko: "다시 맞을 때까지" },
  forced_logout_p50: { en: "forced log-out, median", ko: "강제 로그아웃, 중앙값" },
  forced_logout_max: { en: "forced log-out, slowest", ko: "강제 로그아웃, 가장 느림" },
  latency_p50: { en: "/v1/me, median", ko: "/v1/me, 중앙값" },
  latency_p99: { en: "/v1/me, p99", ko: "/v1/me, p99" },
  cpu: { en: "CPU per request", ko: "요청당 CPU" },
  store_bytes_per_login: { en: "store bytes per log-in", ko: "로그인당 저장소 바이트" },
  sessions_per_server: { en: "log-ins per server", ko: "서버당 로그인" },
  skew: { en: "load skew", ko: "부하 쏠림" },
  memory_per_login: { en: "memory per log-in and server", ko: "로그인 하나당 서버 메모리" },
  resident: { en: "memory of a server", ko: "서버 메모리" },
  faults: { en: "random faults", ko: "무작위 장애" },
  confirmed: { en: "confirmed log-outs", ko: "확인된 로그아웃" },
  zombies_confirmed: { en: "accepted after confirmation", ko: "확인 뒤 받아들임" },
  renewed_twice: { en: "renewed twice at once", ko: "동시에 두 번 갱신" },
  double_generations: { en: "double generations", ko: "이중 세대" },
};
