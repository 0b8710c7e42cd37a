export { type Answer, answerQuestion, type ClusterView, type DNSRecord } from "./answers.js";
