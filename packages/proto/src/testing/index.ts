// For the tests of packages that receive the table from elsewhere.
export { type K8sSchemaTable, loadDescriptions, loadSchemaTable } from "../k8s-schema.js";
