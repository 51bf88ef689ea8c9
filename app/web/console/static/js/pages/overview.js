export const overviewPage = () => null;
